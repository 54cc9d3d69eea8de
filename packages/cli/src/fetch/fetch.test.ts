import { spawn } from 'node:child_process'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { Authority, type WorkloadEndpoint } from '@fastify-spiffe/authority'
import { parseBundleMap, TrustDomain, X509Bundle, X509Svid } from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { parseCommand } from '../command.ts'
import { runCommand } from '../run.ts'
import { UsageError } from '../usage.ts'

const WEB = 'spiffe://example.org/acme/web'
const own = TrustDomain.parse('example.org')
const partner = TrustDomain.parse('partner.test')

let authority: Authority
let other: Authority
let endpoint: WorkloadEndpoint
let root: string
let folder: string
let round = 0

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'fs-fetch-'))
  authority = await Authority.create({ trustDomain: own })
  other = await Authority.create({ trustDomain: partner })
  authority.federate(other)
  endpoint = await authority.serve({ spiffeId: WEB, socketPath: join(root, 'web.sock') })
})

afterAll(async () => {
  await authority.close()
  await other.close()
  await rm(root, { recursive: true })
})

beforeEach(() => {
  round += 1
  folder = join(root, `certs-${round}`)
})

/** The command, as it runs; each line that it writes is an event. */
function start(...options: readonly string[]) {
  const output = { text: '', errors: '' }
  const lines = new EventEmitter()
  const signals = new EventEmitter()
  const ended = runCommand(
    ['fetch', '--write', folder, '--address', endpoint.address, ...options],
    {
      stdout: {
        write: (text: string) => {
          output.text += text
          lines.emit('line')
        },
      },
      stderr: {
        write: (text: string) => {
          output.errors += text
          lines.emit('error line')
        },
      },
      signals,
    },
  )
  return { output, lines, signals, ended }
}

async function svidIn(): Promise<X509Svid> {
  const [certificates, privateKey] = await Promise.all(
    ['svid.pem', 'svid_key.pem'].map((name) => readFile(join(folder, name))),
  )
  return X509Svid.fromPem({ certificates: certificates!, privateKey: privateKey! })
}

describe('fetch', () => {
  test('writes the SVID, its key and its bundle once, for their owner alone', async () => {
    const { output, ended } = start()
    expect(await ended).toMatchObject({ exitCode: 0 })
    expect((await svidIn()).spiffeId.toString()).toBe(WEB)
    const bundle = X509Bundle.fromPem(own, await readFile(join(folder, 'svid_bundle.pem')))
    expect(bundle.equals(authority.bundle)).toBe(true)
    for (const name of ['svid.pem', 'svid_key.pem', 'svid_bundle.pem']) {
      expect((await stat(join(folder, name))).mode & 0o777).toBe(0o600)
    }
    expect((await readdir(folder)).filter((name) => !name.startsWith('..'))).toHaveLength(3)
    expect(output.text).toMatch(/^spiffe:\/\/example\.org\/acme\/web, expires .*, written to /)
    expect(output.text + output.errors).not.toContain('BEGIN')
  })

  test('writes the bundles of all trust domains as a Bundle Map, if it is told to', async () => {
    await start('--bundle-map').ended
    const bundles = parseBundleMap(await readFile(join(folder, 'bundle_map.json')))
    expect(bundles.get(own)?.x509.equals(authority.bundle)).toBe(true)
    expect(bundles.get(partner)?.x509.equals(other.bundle)).toBe(true)
  })

  test('follows each renewal, signals a process, and ends by a signal', async () => {
    const program = `process.on('SIGUSR2', () => console.log('heard')); console.log('up'); setInterval(() => {}, 1e6)`
    const child = spawn(process.execPath, ['-e', program], { stdio: ['ignore', 'pipe', 'inherit'] })
    const heard = createInterface(child.stdout)[Symbol.asyncIterator]()
    await heard.next()
    const pidFile = join(root, `pid-${round}`)
    await writeFile(pidFile, `${child.pid}\n`)
    const { lines, signals, ended } = start('--watch', '--signal', 'USR2', '--pid-file', pidFile)
    await once(lines, 'line')
    expect((await heard.next()).value).toBe('heard')
    const before = await svidIn()
    const written = once(lines, 'line')
    await authority.rotateSvids()
    await written
    expect((await heard.next()).value).toBe('heard')
    expect((await svidIn()).equals(before)).toBe(false)
    signals.emit('SIGTERM')
    expect(await ended).toMatchObject({ exitCode: 0 })
    child.kill()
    await once(child, 'exit')
  })

  test('goes on when the process cannot be signalled, and says why', async () => {
    const pidFile = join(root, 'none')
    const { output, ended } = start('--pid-file', pidFile)
    expect(await ended).toMatchObject({ exitCode: 0 })
    expect(output.errors).toContain(`${pidFile} cannot be read: ENOENT`)
    await writeFile(pidFile, '1\n')
    const next = start('--pid-file', pidFile)
    await next.ended
    expect(next.output.errors).toContain('does not hold the number of a process')
  })

  test('replaces nothing that somebody else put there', async () => {
    await start().ended
    await rm(join(folder, 'svid.pem'))
    await writeFile(join(folder, 'svid.pem'), 'theirs')
    const { output, ended } = start()
    expect(await ended).toMatchObject({ exitCode: 1 })
    expect(output.errors).toContain('is not of an earlier write')
    expect(await readFile(join(folder, 'svid.pem'), 'utf8')).toBe('theirs')
  })
})

test.each([
  [['fetch'], 'wants --write DIR'],
  [['fetch', '--write', 'x', 'y'], "takes no argument 'y'"],
  [['fetch', '--write', 'x', '--json'], "takes no option '--json'"],
  [['fetch', '--write', 'x', '--spiffe-id', 'spiffe://a/b', '--hint', 'c'], 'at once'],
  [['fetch', '--write', 'x', '--spiffe-id', 'web'], 'SPIFFE ID'],
  [['fetch', '--write', 'x', '--signal', 'HUP'], 'wants --pid or --pid-file'],
  [['fetch', '--write', 'x', '--signal', 'NONE', '--pid', '2'], 'wants the name of a signal'],
  [['fetch', '--write', 'x', '--pid', '1'], 'wants the number of a process'],
  [['fetch', '--write', 'x', '--pid', '-2'], ''],
  [['fetch', '--write', 'x', '--pid', '2', '--pid-file', 'y'], 'at once'],
  [['fetch', '--write', 'x', '--timeout', '0s'], 'is not a duration'],
])('%p is refused', (args, message) => {
  expect(() => parseCommand(args)).toThrow(UsageError)
  expect(() => parseCommand(args)).toThrow(message)
})
