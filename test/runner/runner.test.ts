import { execFile } from 'node:child_process'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { basename } from 'node:path'
import { fileURLToPath } from 'node:url'
import { beforeAll, describe, expect, test } from '@jest/globals'

interface Suite {
  readonly name: string
  readonly status: 'passed' | 'failed'
  readonly message: string
  readonly assertionResults: readonly { readonly title: string; readonly status: string }[]
}

interface Order {
  sort(tests: readonly object[]): Promise<readonly { readonly path: string }[]>
}

interface Report {
  readonly success: boolean
  readonly testResults: readonly Suite[]
}

const config = fileURLToPath(new URL('../../runner/samples.json', import.meta.url))
const jest = createRequire(import.meta.url).resolve('jest/bin/jest')

/** Runs the sample files in a Jest of their own. */
const report = (): Promise<Report> =>
  new Promise((resolve, reject) => {
    const args = [jest, '--config', config, '--json', '--silent']
    execFile(process.execPath, args, (_failed, out) => {
      try {
        resolve(JSON.parse(out) as Report)
      } catch (error) {
        reject(error)
      }
    })
  })

/** The order in which a Jest that knows no durations starts these files. */
async function orderOf(paths: readonly string[]): Promise<readonly string[]> {
  const url = new URL('../../runner/sequencer.mjs', import.meta.url).href
  const { default: Sequencer } = (await import(url)) as { default: new (options: object) => Order }
  const project = { cacheDirectory: tmpdir(), id: 'no such cache' }
  const context = { config: project, hasteFS: { getSize: () => 0 } }
  const sequencer = new Sequencer({ globalConfig: {}, contexts: [context] })
  // oxlint-disable-next-line unicorn/no-array-sort -- a method of Jest's
  const sorted = await sequencer.sort(paths.map((path) => ({ path, context })))
  return sorted.map(({ path }) => path)
}

let samples: ReadonlyMap<string, Suite>

beforeAll(async () => {
  const { success, testResults } = await report()
  expect(success).toBe(false)
  samples = new Map(testResults.map((suite) => [basename(suite.name, '.mjs'), suite]))
})

describe('the runner of the tests', () => {
  test('passes a file whose tests pass', () => {
    expect(samples.get('passes')).toMatchObject({
      status: 'passed',
      assertionResults: [{ title: 'passes', status: 'passed' }],
    })
  })

  test.each([
    ['fails', 'Expected: 3'],
    ['never-ends', 'Exceeded timeout of 50 ms'],
    ['rejects', 'nobody handles this'],
    ['exits', 'process.exit(0)'],
  ])('fails a test that %s', (sample, message) => {
    expect(samples.get(sample)).toMatchObject({
      status: 'failed',
      message: expect.stringContaining(message),
      assertionResults: [{ status: 'failed' }],
    })
  })

  test('fails a file that cannot be loaded', () => {
    expect(samples.get('cannot-be-loaded')).toMatchObject({
      status: 'failed',
      message: expect.stringContaining('this file cannot be loaded'),
      assertionResults: [],
    })
  })

  test.each([
    ['leaves-a-timer', ['1 more: Timeout']],
    ['leaves-a-server', ['1 more: TCPServerWrap']],
    [
      'leaves-globals',
      [
        '1 more: spiffe:sample',
        '1 more: listener of process for warning',
        'changed: globalThis.setTimeout',
        'changed: process.env.LEFT_BEHIND',
      ],
    ],
  ])('fails a file that %s for the next one, and says what', (sample, lines) => {
    const { status, message, assertionResults } = samples.get(sample)!
    expect(status).toBe('failed')
    for (const line of lines) expect(message).toContain(line)
    expect(assertionResults).toMatchObject([{ status: 'passed' }])
  })

  test('starts the files that take long before the others, though it has never run them', async () => {
    const paths = ['spiffe/dist/id.test.js', 'rules/a.test.js', 'e2e/demo.test.js']
    const files = paths.map((path) => `/none/${path}`)
    expect(await orderOf([...files, '/none/e2e/readme.test.js'])).toEqual([
      '/none/e2e/readme.test.js',
      ...files.toReversed(),
    ])
  })
})
