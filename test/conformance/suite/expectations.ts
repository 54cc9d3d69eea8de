import { readFile } from 'node:fs/promises'
import type { ConformanceCase } from './case.ts'
import { STATUSES, type Result, type Status } from './run-cases.ts'

/** What a result is known to be, and why it may be so. */
export interface Expectation {
  readonly status: Status
  readonly reason: string
}

/** What is expected, by the name of the result; under `*`, of all others. */
export type Expectations = ReadonlyMap<string, Expectation>

const pass: Expectation = { status: 'PASS', reason: '' }

export async function readExpectations(file: string): Promise<Expectations> {
  const entries: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (typeof entries !== 'object' || entries === null) throw new TypeError('not an object')
  return new Map(Object.entries(entries).map(([name, value]) => [name, expectation(name, value)]))
}

function expectation(name: string, value: unknown): Expectation {
  if (typeof value === 'object' && value !== null && 'status' in value && 'reason' in value) {
    const { status, reason } = value
    const known = STATUSES.find((each) => each === status)
    if (known !== undefined && typeof reason === 'string' && reason !== '') {
      return { status: known, reason }
    }
  }
  throw new TypeError(`${name} needs a status and a reason`)
}

/** What is expected of a result: a PASS, unless the file says otherwise. */
export function expectationOf({ name }: ConformanceCase, expectations: Expectations): Expectation {
  return expectations.get(name) ?? expectations.get('*') ?? pass
}

export function isExpected(
  { conformanceCase, status }: Result,
  expectations: Expectations,
): boolean {
  return status === expectationOf(conformanceCase, expectations).status
}
