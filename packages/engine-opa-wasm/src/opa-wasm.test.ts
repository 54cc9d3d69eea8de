// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
// oxlint-disable typescript/no-unsafe-type-assertion -- these tests pass what the types forbid, as JavaScript can
import { once } from 'node:events'
import { copyFile, mkdtemp, readFile, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { gunzipSync, gzipSync } from 'node:zlib'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { describe, expect, test } from '@jest/globals'
import {
  localScene,
  nextEvent,
  question,
  ROOT,
  service,
  WEB,
} from '@fastify-spiffe-test/kit/local-scene'
import { type LocalEngine, opaWasm, type OpaWasmOptions } from './index.ts'
import type { EngineRequest } from '@fastify-spiffe/policy'
import { filesOfTar } from './tar.ts'

const fixtures = fileURLToPath(new URL('../fixtures/', import.meta.url))
const FIRST = join(fixtures, 'first.tar.gz')
const SECOND = join(fixtures, 'second.tar.gz')

const scene = localScene()

const open = async (options: Partial<OpaWasmOptions> = {}): Promise<LocalEngine> =>
  scene.keep(await opaWasm({ wasm: { file: FIRST }, entrypoint: 'orders/allow', ...options }))

/** The files of a bundle, as they lie in it. */
const unpacked = async (bundle: string): Promise<Map<string, Uint8Array>> => {
  const archive = gunzipSync(await readFile(bundle))
  return new Map(filesOfTar(archive, ['policy.wasm', 'data.json', '.manifest']))
}

interface TarEntry {
  readonly name: string
  readonly content: Uint8Array
  readonly type?: string
}

const tar = (entries: readonly TarEntry[]): Buffer => {
  const blocks = entries.flatMap(({ name, content, type = '0' }) => {
    const header = Buffer.alloc(512)
    header.write(name, 0, 100)
    header.write('0000644\0', 100)
    header.write(`${content.length.toString(8).padStart(11, '0')}\0`, 124)
    header.write(' '.repeat(8), 148)
    header.write(type, 156)
    header.write('ustar\x0000', 257, 'latin1')
    const sum = header.reduce((total, byte) => total + byte, 0)
    header.write(`${sum.toString(8).padStart(6, '0')}\0 `, 148)
    return [header, content, Buffer.alloc((512 - (content.length % 512)) % 512)]
  })
  return Buffer.concat([...blocks, Buffer.alloc(1024)])
}

const bundleOf = (files: Iterable<readonly [name: string, content: Uint8Array | string]>): Buffer =>
  gzipSync(tar(Array.from(files, ([name, it]) => ({ name, content: Buffer.from(it) }))))

describe('Rego in WebAssembly', () => {
  test('lets in by true', async () => {
    expect((await open()).decide(question())).toBe(true)
  })

  test('refuses by false', async () => {
    const engine = await open()
    expect(engine.decide(question({ method: 'PUT' }))).toBe(false)
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(false)
    expect(engine.decide(question({ tenant: null }))).toBe(false)
  })

  test('refuses by a rule that is undefined for the input', async () => {
    const engine = await open({ entrypoint: 'orders/silent' })
    expect(engine.decide(question())).toBe(false)
    expect(engine.decide(question({ spiffeId: ROOT }))).toBe(true)
  })

  test('fails when the evaluation fails, and works again at the next question', async () => {
    const engine = await open({ entrypoint: 'orders/conflict' })
    expect(() => engine.decide(question({ method: 'PUT' }))).toThrow(
      expect.objectContaining({ code: 'invalid-answer' }),
    )
    expect(engine.decide(question())).toBe(true)
  })

  test('does not boot by a rule that is no boolean', async () => {
    await expect(open({ entrypoint: 'orders/word' })).rejects.toMatchObject({
      code: 'invalid-policy',
    })
  })

  test.each([
    ['a truthy text', 'yes'],
    ['one', 1],
    ['a list', [true]],
    ['a record', { result: true }],
    ['null', null],
  ])('takes %s for no answer', async (_what, answer) => {
    const input = ({ method }: EngineRequest): unknown => ({ method, answer })
    const engine = await open({ entrypoint: 'orders/mixed', input })
    expect(() => engine.decide(question({ method: 'PUT' }))).toThrow(
      expect.objectContaining({ code: 'invalid-answer' }),
    )
  })

  test('asks the built-ins that it was given, and fails without', async () => {
    const attributes = { host: 'orders.example.org' }
    const lookup = (): unknown => ['127.0.0.1']
    const engine = await open({
      entrypoint: 'orders/resolved',
      builtins: { 'net.lookup_ip_addr': lookup },
    })
    expect(engine.decide(question({ attributes }))).toBe(true)

    const bare = await open({ entrypoint: 'orders/resolved' })
    expect(() => bare.decide(question({ attributes }))).toThrow(
      expect.objectContaining({ code: 'invalid-answer' }),
    )
  })

  test('shows nothing of the request where a built-in function quotes it', async () => {
    const quoting = (host: unknown): unknown => JSON.parse(String(host))
    const engine = await open({
      entrypoint: 'orders/resolved',
      builtins: { 'net.lookup_ip_addr': quoting },
    })
    let error: unknown = null
    try {
      engine.decide(question({ attributes: { host: 'TopSecret' } }))
    } catch (thrown) {
      error = thrown
    }
    expect(error).toMatchObject({ code: 'invalid-answer' })
    expect(inspect(error)).not.toContain('TopSecret')
    expect(inspect(error)).toContain('SyntaxError')
  })

  test('asks what `input` makes of the question, and fails when that is no object', async () => {
    let made: unknown = { caller: { id: ROOT.toString() } }
    const engine = await open({ input: () => made })
    expect(engine.decide(question())).toBe(true)
    for (made of [undefined, null, '', 0, false]) {
      expect(() => engine.decide(question())).toThrow(
        expect.objectContaining({ code: 'invalid-answer' }),
      )
    }
  })

  test('looks into the data that it was given instead of those of the bundle', async () => {
    const engine = await open({ data: { edition: 1, tenants: ['zenith'], operators: [] } })
    expect(engine.decide(question())).toBe(false)
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(true)
  })

  test.each([
    ['NUL', 'a\0b', 'a\0c'],
    ['quotes and backslashes', '"\\"},{"', '"\\"},{'],
    ['line separators', '\u2028', '\u2029'],
    ['characters beyond the BMP', '\u{1f600}', '\u{1f601}'],
    ['composed characters', '\u00e9', 'e\u0301'],
    ['names of prototypes', '__proto__', 'constructor'],
    ['numbers in text', '9007199254740993', '9007199254740992'],
    ['a long text', 'x'.repeat(1_000_000), `${'x'.repeat(999_999)}y`],
  ])('compares attributes to the last character: %s', async (_what, left, other) => {
    const engine = await open({ entrypoint: 'orders/same' })
    const ask = (right: string): unknown =>
      engine.decide(question({ attributes: { 'headers.left': left, 'headers.right': right } }))
    expect([ask(left), ask(other), ask(left)]).toEqual([true, false, true])
  })

  test('never lets in by half a character', async () => {
    const engine = await open({ entrypoint: 'orders/same' })
    const attributes = { 'headers.left': '\ud800', 'headers.right': '\ud800' }
    expect(() => engine.decide(question({ attributes }))).toThrow(
      expect.objectContaining({ code: 'invalid-answer' }),
    )
    expect(
      engine.decide(question({ attributes: { 'headers.left': 'a', 'headers.right': 'a' } })),
    ).toBe(true)
  })

  test('fails on what exceeds its memory, and works again at the next question', async () => {
    const engine = await open({ entrypoint: 'orders/same', maxMemoryBytes: 1_048_576 })
    for (const length of [300_000, 3_000_000]) {
      const text = 'x'.repeat(length)
      const attributes = { 'headers.left': text, 'headers.right': text }
      expect(() => engine.decide(question({ attributes }))).toThrow(
        expect.objectContaining({ code: 'invalid-answer' }),
      )
    }
    const attributes = { 'headers.left': 'x', 'headers.right': 'x' }
    expect(engine.decide(question({ attributes }))).toBe(true)
  })
})

describe('where compiled Rego comes from', () => {
  test('a bundle, its bytes, a folder and a bare module all decide the same', async () => {
    const files = await unpacked(FIRST)
    const wasm = files.get('policy.wasm')!
    const folder = await mkdtemp(scene.pathOf('folder-'))
    for (const [name, content] of files) await writeFile(join(folder, name), content)
    await writeFile(scene.pathOf('bare.wasm'), wasm)
    const data: Record<string, unknown> = JSON.parse(
      Buffer.from(files.get('data.json')!).toString(),
    )

    const all = [
      await open(),
      await open({ wasm: { bytes: await readFile(FIRST) } }),
      await open({ wasm: { directory: folder } }),
      await open({ wasm: { file: scene.pathOf('bare.wasm') }, data }),
      await open({ wasm: { bytes: wasm }, data }),
    ]
    for (const engine of all) {
      expect(engine.decide(question())).toBe(true)
      expect(engine.decide(question({ method: 'PUT' }))).toBe(false)
    }
    const versions = all.map((engine) => engine.policyVersion())
    const digest = expect.stringMatching(/^[0-9a-f]{12}$/)
    const revision = expect.stringMatching(/^first\+[0-9a-f]{12}$/)
    expect(versions).toEqual([revision, revision, revision, digest, digest])
  })

  test('a bundle by other tools: names with and without ./, long names, links and folders beside', async () => {
    const files = await unpacked(FIRST)
    const content = (name: string): Uint8Array => files.get(name)!
    const pax = (name: string): Buffer => {
      const record = ` path=${name}\n`
      return Buffer.from(`${record.length + 2}${record}`)
    }
    const nothing = Buffer.alloc(0)
    const archive = tar([
      { name: './', content: nothing, type: '5' },
      { name: 'policy.wasm', content: nothing, type: '2' },
      { name: '../policy.wasm', content: Buffer.from('elsewhere') },
      { name: 'deep/policy.wasm', content: Buffer.from('deeper') },
      { name: './policy.wasm', content: content('policy.wasm') },
      { name: 'pax', content: pax('data.json'), type: 'x' },
      { name: 'shortened', content: content('data.json') },
      { name: 'pax', content: pax(`${'long/'.repeat(10)}policy.rego`), type: 'x' },
      { name: 'policy.wasm', content: Buffer.from('renamed') },
    ])
    const engine = await open({ wasm: { bytes: gzipSync(archive) } })
    expect(engine.decide(question())).toBe(true)
  })

  test('which rule decides goes without saying only where there is one', async () => {
    const engine = scene.keep(await opaWasm({ wasm: { file: SECOND } }))
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(true)

    await expect(opaWasm({ wasm: { file: FIRST } })).rejects.toMatchObject({
      code: 'invalid-policy',
      message: expect.stringContaining('orders/allow'),
    })
    await expect(open({ entrypoint: 'orders/alow' })).rejects.toMatchObject({
      code: 'invalid-policy',
      message: expect.stringMatching(/no such entrypoint, only .*orders\/allow/),
    })
  })

  test('two contents never have one version, even under the same revision', async () => {
    const files = await unpacked(FIRST)
    const other = new Map(files).set('data.json', Buffer.from('{"edition":1,"tenants":[]}'))
    const bundles = [files, other].map((it) => bundleOf(it))
    const [a, b] = await Promise.all(bundles.map((bytes) => open({ wasm: { bytes } })))
    expect(a!.policyVersion()).not.toBe(b!.policyVersion())
  })

  const bad: readonly [what: string, make: (bundle: Buffer) => Promise<Uint8Array> | Uint8Array][] =
    [
      ['nothing', () => Buffer.alloc(0)],
      ['text', () => Buffer.from('package orders')],
      ['a bundle that is cut off', (bundle) => bundle.subarray(0, bundle.length / 2)],
      ['a module that is cut off', async () => (await wasm()).subarray(0, 1000)],
      ['another module', () => Buffer.from('\0asm\x01\0\0\0', 'latin1')],
      ['a bundle without a module', () => bundleOf([['data.json', '{}']])],
      ['data that are no JSON', async () => bundleOf([WASM(await wasm()), ['data.json', '{']])],
      ['data that are no object', async () => bundleOf([WASM(await wasm()), ['data.json', '[]']])],
      [
        'data that are no UTF-8',
        async () => bundleOf([WASM(await wasm()), ['data.json', Buffer.from([0x22, 0xff, 0x22])]]),
      ],
      [
        'a manifest that is no JSON',
        async () => bundleOf([WASM(await wasm()), ['.manifest', 'first']]),
      ],
      ['two modules', async () => bundleOf([WASM(await wasm()), ['./policy.wasm', await wasm()]])],
      ['an archive without an end', () => gzipSync(Buffer.alloc(100))],
      [
        'an entry that is cut off',
        async () =>
          gzipSync(tar([{ name: 'policy.wasm', content: await wasm() }]).subarray(0, 2048)),
      ],
      [
        'a header with another checksum',
        async () => {
          const archive = tar([{ name: 'policy.wasm', content: await wasm() }])
          archive.write('P', 0)
          return gzipSync(archive)
        },
      ],
      [
        'a size that is no number',
        async () => {
          const archive = tar([{ name: 'policy.wasm', content: await wasm() }])
          // A first byte of 0x80 says that the size is binary.
          archive[124] = 0x80
          return gzipSync(archive)
        },
      ],
      [
        'a pax header without an end',
        () => gzipSync(tar([{ name: 'pax', content: Buffer.from('99 path=x\n'), type: 'x' }])),
      ],
      ['a bomb', () => gzipSync(Buffer.alloc(20 * 1024 * 1024))],
    ]
  const wasm = async (): Promise<Uint8Array> => (await unpacked(FIRST)).get('policy.wasm')!
  const WASM = (content: Uint8Array): readonly [string, Uint8Array] => ['policy.wasm', content]

  test.each(bad)('does not boot by %s', async (_what, make) => {
    const bytes = await make(await readFile(FIRST))
    await expect(open({ wasm: { bytes } })).rejects.toMatchObject({ code: 'invalid-policy' })
  })

  test.each(bad)('stays with the last good policies at %s', async (_what, make) => {
    const file = scene.pathOf('bundle.tar.gz')
    await copyFile(FIRST, file)
    const engine = await open({ wasm: { file } })
    const version = engine.policyVersion()
    await writeFile(file, await make(await readFile(SECOND)))
    await expect(engine.reload()).rejects.toMatchObject({ code: 'invalid-policy' })
    expect(scene.told).toEqual([{ engine: 'opa-wasm', version, code: 'invalid-policy' }])
    expect(engine.policyVersion()).toBe(version)
    expect(engine.decide(question())).toBe(true)

    await copyFile(SECOND, file)
    expect(await engine.reload()).toMatch(/^second\+/)
  })

  test('a damaged archive is read or refused, whatever is wrong with it', async () => {
    const archive = tar([
      { name: 'pax', content: Buffer.from('18 path=data.json\n'), type: 'x' },
      { name: 'other', content: Buffer.from('{}') },
      { name: 'policy.wasm', content: Buffer.from('\0asm') },
    ])
    const outcomes = new Set<string>()
    const read = (damaged: Uint8Array): void => {
      try {
        outcomes.add([...filesOfTar(damaged, ['policy.wasm', 'data.json']).keys()].join(' '))
      } catch (error) {
        outcomes.add((error as Error).constructor.name)
      }
    }
    for (const [at, good] of archive.entries()) {
      for (const byte of [0, 0x2f, 0x37, 0x80, 0xff].filter((other) => other !== good)) {
        archive[at] = byte
        read(archive)
      }
      archive[at] = good
      read(archive.subarray(0, at))
    }
    expect([...outcomes].toSorted()).toEqual([
      'RangeError',
      'TypeError',
      'data.json policy.wasm',
      'policy.wasm',
    ])
  })

  test('does not boot by a file that is not there, or too long', async () => {
    const gone = scene.pathOf('gone.tar.gz')
    await expect(open({ wasm: { file: gone } })).rejects.toMatchObject({ code: 'invalid-policy' })
    await expect(open({ wasm: { directory: scene.pathOf('.') } })).rejects.toMatchObject({
      code: 'invalid-policy',
    })
    const { length } = await readFile(FIRST)
    for (const maxBundleBytes of [length - 1, length]) {
      // The packed bundle is too long; the unpacked one is.
      await expect(open({ maxBundleBytes })).rejects.toMatchObject({ code: 'invalid-policy' })
    }
  })
})

describe('other policies in force', () => {
  test('come by reload(), all at once, and are reported', async () => {
    const file = scene.pathOf('bundle.tar.gz')
    await copyFile(FIRST, file)
    const engine = await open({ wasm: { file } })
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(false)
    const first = engine.policyVersion()
    expect(await engine.reload()).toBe(first)
    expect(scene.told).toEqual([])

    await copyFile(SECOND, file)
    const second = await engine.reload()
    expect(second).toBe(engine.policyVersion())
    expect(second).not.toBe(first)
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(true)
    expect(scene.told).toEqual([{ engine: 'opa-wasm', version: second, code: null }])
  })

  test('come by themselves when the file is watched', async () => {
    const file = scene.pathOf('bundle.tar.gz')
    await copyFile(FIRST, file)
    const engine = await open({ wasm: { file }, watch: true })
    const other = scene.pathOf('next')
    await copyFile(SECOND, other)
    const changed = nextEvent()
    await rename(other, file)
    expect(await changed).toMatchObject({ code: null, version: expect.stringMatching(/^second\+/) })
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(true)
  })

  test('come by themselves when the folder is watched', async () => {
    for (const [name, content] of await unpacked(FIRST)) {
      await writeFile(scene.pathOf(name), content)
    }
    const engine = await open({ wasm: { directory: scene.pathOf('.') }, watch: true })
    const changed = nextEvent()
    const data = { edition: 1, tenants: ['zenith'], operators: [] }
    await writeFile(scene.pathOf('next'), JSON.stringify(data))
    await rename(scene.pathOf('next'), scene.pathOf('data.json'))
    expect(await changed).toMatchObject({ code: null, version: engine.policyVersion() })
    expect(engine.decide(question())).toBe(false)
    expect(engine.decide(question({ tenantName: 'zenith' }))).toBe(true)
  })

  test('are reported by a warning when they are bad and nobody listens', async () => {
    scene.ignore()
    const file = scene.pathOf('bundle.tar.gz')
    await copyFile(FIRST, file)
    const engine = await open({ wasm: { file }, watch: true })
    const warned = once(process, 'warning')
    await writeFile(file, 'half')
    const [warning] = (await warned) as [unknown]
    expect(warning).toMatchObject({
      code: 'SPIFFE_AUTHZ_POLICY_REFUSED',
      message: expect.stringContaining(file),
    })
    expect(engine.decide(question())).toBe(true)
  })

  test('decide no request by half, while thousands are under way', async () => {
    const file = scene.pathOf('bundle.tar.gz')
    await copyFile(FIRST, file)
    const engine = await open({ wasm: { file } })
    const swap = async (): Promise<void> => {
      for (let turn = 0; turn < 10; turn++) {
        await copyFile(turn % 2 === 0 ? SECOND : FIRST, file)
        await engine.reload()
      }
    }
    const swapping = swap()
    const answers = new Map<string, number>()
    for (let turn = 0; scene.told.length < 10 && turn < 1_000_000; turn++) {
      const [edition] = engine.policyVersion().split('+')
      // Rules of one edition with data of the other would refuse everybody.
      const acme = engine.decide(question())
      const zenith = engine.decide(question({ tenantName: 'zenith' }))
      const seen = `${edition} ${acme} ${zenith}`
      answers.set(seen, (answers.get(seen) ?? 0) + 1)
      await new Promise(setImmediate)
    }
    await swapping
    expect([...answers.keys()].toSorted()).toEqual(['first true false', 'second true true'])
  })

  test('are not waited for by the engine once it is closed', async () => {
    const file = scene.pathOf('bundle.tar.gz')
    await copyFile(FIRST, file)
    const engine = await open({ wasm: { file }, watch: true })
    const version = engine.policyVersion()
    await copyFile(SECOND, file)
    const reloading = engine.reload()
    engine.close()
    expect(await reloading).toBe(version)
    expect(engine.policyVersion()).toBe(version)
  })

  test('have a version that also says what `policyVersion` says', async () => {
    let members = 1
    const engine = await open({ policyVersion: () => members })
    const before = engine.policyVersion()
    members = 2
    expect([before, engine.policyVersion()]).toEqual([
      expect.stringMatching(/^first\+[0-9a-f]{12}\/1$/),
      expect.stringMatching(/^first\+[0-9a-f]{12}\/2$/),
    ])
  })
})

describe('in a service', () => {
  test('a thousand requests at once get each its own answer', async () => {
    await using app = await service(await open())
    const calls = Array.from({ length: 1000 }, async (_, turn) => {
      const tenant = turn % 2 === 0 ? 'acme' : 'zenith'
      const caller = `spiffe://example.org/${tenant}/web`
      const { statusCode } = await injectAs(app, caller, `/orders/${turn}`)
      return statusCode
    })
    const expected = Array.from({ length: 1000 }, (_, turn) => (turn % 2 === 0 ? 200 : 403))
    expect(await Promise.all(calls)).toEqual(expected)
  })

  test('a failing evaluation refuses, and counts as a failure', async () => {
    await using app = await service(await open({ entrypoint: 'orders/conflict' }))
    const call = { method: 'PUT', url: '/orders/7' } as const
    expect((await injectAs(app, WEB.toString(), call)).statusCode).toBe(403)
    expect(app.authz.engines()).toMatchObject([{ engine: 'opa-wasm', failed: 1, allowed: 0 }])
  })
})

describe('options', () => {
  test.each<[string, object, string?]>([
    ['none at all', {}],
    ['unknown', { wasm: { file: FIRST }, entrypiont: 'orders/allow' }, 'unknown-option'],
    ['wasm: a path', { wasm: FIRST }],
    ['wasm: nothing', { wasm: {} }],
    ['wasm: two places', { wasm: { file: FIRST, directory: fixtures } }],
    ['wasm: an empty path', { wasm: { file: '' } }],
    ['wasm: bytes in text', { wasm: { bytes: 'asm' } }],
    ['entrypoint', { wasm: { file: FIRST }, entrypoint: 0 }],
    ['data', { wasm: { file: FIRST }, data: [] }],
    ['input', { wasm: { file: FIRST }, input: {} }],
    ['builtins', { wasm: { file: FIRST }, builtins: { now: 1 } }],
    ['watch', { wasm: { file: FIRST }, watch: 'yes' }],
    ['watch: bytes', { wasm: { bytes: Buffer.alloc(8) }, watch: true }],
    ['maxBundleBytes', { wasm: { file: FIRST }, maxBundleBytes: 0 }],
    ['maxMemoryBytes', { wasm: { file: FIRST }, maxMemoryBytes: 1.5 }],
    ['policyVersion', { wasm: { file: FIRST }, policyVersion: 1, entrypoint: 'orders/allow' }],
  ])('are refused when wrong: %s', async (_what, options, code = 'invalid-option') => {
    await expect(opaWasm(options as OpaWasmOptions)).rejects.toMatchObject({ code })
  })
})
