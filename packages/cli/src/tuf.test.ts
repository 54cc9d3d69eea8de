import { generateKeyPairSync } from 'node:crypto'
import { EventEmitter } from 'node:events'
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { runCommand } from './run.ts'

let folder: string

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fs-cli-tuf-'))
})

afterEach(() => rm(folder, { recursive: true }))

const at = (name: string): string => join(folder, name)

async function run(
  ...args: readonly string[]
): Promise<{ out: string; error: string; code: number }> {
  const written = { out: '', error: '' }
  const { exitCode } = await runCommand(['tuf', ...args], {
    stdout: { write: (text) => (written.out += text) },
    stderr: { write: (text) => (written.error += text) },
    signals: new EventEmitter(),
  })
  return { ...written, code: exitCode }
}

function init(...args: readonly string[]) {
  return run('init', at('www'), '--keys', at('keys'), '--root-keys', at('root'), ...args)
}

async function signed(name: string): Promise<Record<string, unknown>> {
  return JSON.parse(await readFile(join(at('www'), 'metadata', name), 'utf8')).signed
}

describe('tuf init', () => {
  test('prints the SHA-256 of the root, and makes keys that nobody else can read', async () => {
    const { out, code } = await init()
    expect([code, out]).toEqual([0, expect.stringMatching(/^[0-9a-f]{64} {2}.*1\.root\.json\n/)])
    const keys = [
      ...(await readdir(at('keys'))).map((name) => join(at('keys'), name)),
      ...(await readdir(at('root'))).map((name) => join(at('root'), name)),
    ].filter((name) => name.endsWith('.pem'))
    expect(keys).toHaveLength(6)
    for (const file of keys) expect((await stat(file)).mode & 0o777).toBe(0o600)
    for (const name of ['keys', 'root']) expect((await stat(at(name))).mode & 0o777).toBe(0o700)
    const { roles } = (await signed('1.root.json')) as { roles: Record<string, object> }
    expect(roles['root']).toMatchObject({ threshold: 2 })
  })

  test('refuses to begin anew, and keys in the folder that is served', async () => {
    await init()
    expect((await init()).code).toBe(1)
    const served = await run('init', at('w'), '--keys', at('w/keys'), '--root-keys', at('r'))
    expect([served.code, served.error]).toEqual([1, expect.stringContaining('served')])
    const shared = await run('init', at('w'), '--keys', at('k'), '--root-keys', at('k'))
    expect(shared.code).toBe(1)
  })
})

describe('tuf publish', () => {
  test('signs files, and what is named, under consistent names', async () => {
    await init()
    await writeFile(at('a.json'), '{"keys":[]}')
    const files = [at('a.json'), `policies/orders.json=${at('a.json')}`]
    const { out, code } = await run('publish', at('www'), '--keys', at('keys'), ...files)
    expect([code, out]).toEqual([0, 'published 2, removed 0\n'])
    const { targets, version } = await signed('2.targets.json')
    expect([version, Object.keys(targets as object)]).toEqual([
      2,
      ['a.json', 'policies/orders.json'],
    ])
    const [name] = await readdir(join(at('www'), 'targets', 'policies'))
    expect(name).toMatch(/^[0-9a-f]{64}\.orders\.json$/)
    await run('publish', at('www'), '--keys', at('keys'), '--remove', 'a.json')
    expect((await signed('3.targets.json'))['targets']).not.toHaveProperty('a.json')
  })

  test('does not sign what somebody has written into the folder that is served', async () => {
    await init()
    const file = join(at('www'), 'metadata', '1.targets.json')
    const forged = JSON.parse(await readFile(file, 'utf8'))
    forged.signed.targets['evil.json'] = { length: 1, hashes: { sha256: '0'.repeat(64) } }
    await writeFile(file, JSON.stringify(forged))
    await run('publish', at('www'), '--keys', at('keys'))
    expect((await signed('2.targets.json'))['targets']).toEqual({})
  })

  test('refuses a private key, whose file stays where it is', async () => {
    await init()
    const { privateKey } = generateKeyPairSync('ed25519')
    const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
    await writeFile(at('svid.key'), pem)
    const { error, code } = await run('publish', at('www'), '--keys', at('keys'), at('svid.key'))
    expect([code, error]).toEqual([1, expect.stringContaining('private key')])
    expect(error).not.toContain(pem.slice(30, 60))
    await expect(readdir(join(at('www'), 'targets'))).rejects.toThrow('ENOENT')
  })
})

describe('tuf rotate', () => {
  test.each(['root', 'targets', 'snapshot', 'timestamp'])(
    'replaces the keys of %s',
    async (role) => {
      await init('--root-count', '2', '--root-threshold', '2')
      const before = (await signed('1.root.json'))['roles'] as Record<string, { keyids: string[] }>
      const paths = ['--keys', at('keys'), '--root-keys', at('root')]
      expect((await run('rotate', at('www'), ...paths, '--role', role)).code).toBe(0)
      const after = (await signed('2.root.json'))['roles'] as Record<string, { keyids: string[] }>
      expect(after[role]?.keyids).toHaveLength(before[role]?.keyids.length ?? 0)
      expect(after[role]?.keyids).not.toEqual(before[role]?.keyids)
      expect((await signed('timestamp.json'))['version']).toBe(2)
    },
  )
})

test.each([
  [],
  ['sign', 'www'],
  ['init', 'www'],
  ['init', 'www', '--keys', 'keys'],
  ['init'],
  ['init', 'www', 'more', '--keys', 'k', '--root-keys', 'r'],
  ['init', 'www', '--keys', 'k', '--root-keys', 'r', '--root-count', '0'],
  ['publish', 'www'],
  ['publish', 'www', '--keys', 'k', '--role', 'root'],
  ['publish', 'www', '--keys', 'k', 'a/x.json', 'b/x.json'],
  ['rotate', 'www', '--keys', 'k', '--root-keys', 'r', '--role', 'all'],
])('a command line that is not understood ends with 2: tuf %s', async (...args) => {
  expect((await run(...args)).code).toBe(2)
})
