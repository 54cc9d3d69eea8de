import { readFile } from 'node:fs/promises'
import type { Result, Status } from './run-cases.ts'

/** A result that is known not to be PASS, and why it may be so. */
export interface ExpectedFailure {
  readonly status: Exclude<Status, 'PASS'>
  readonly reason: string
}

/** The expected failures, by the name of the result. */
export type Expectations = ReadonlyMap<string, ExpectedFailure>

export async function readExpectations(file: URL): Promise<Expectations> {
  const entries: unknown = JSON.parse(await readFile(file, 'utf8'))
  if (typeof entries !== 'object' || entries === null) throw new TypeError('not an object')
  return new Map(Object.entries(entries).map(([name, value]) => [name, expectation(name, value)]))
}

function expectation(name: string, value: unknown): ExpectedFailure {
  if (typeof value === 'object' && value !== null && 'status' in value && 'reason' in value) {
    const { status, reason } = value
    const isKnown = status === 'FAIL' || status === 'SKIP' || status === 'ERROR'
    if (isKnown && typeof reason === 'string' && reason !== '') return { status, reason }
  }
  throw new TypeError(`${name} needs a status that is not PASS, and a reason`)
}

/** Whether a result is what was expected of it: a PASS, unless the file says otherwise. */
export function isExpected(
  { conformanceCase, status }: Result,
  expectations: Expectations,
): boolean {
  return status === (expectations.get(conformanceCase.name)?.status ?? 'PASS')
}
