import { rename, rm, unlink, writeFile } from 'node:fs/promises'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { TrustDomain, type X509Svid } from '@fastify-spiffe/spiffe'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { contentOf, Folder, WEB, type Content } from './files.test.helper.ts'
import { FileSourceError } from './errors.ts'
import { FileSource } from './file-source.ts'
import type { FileSourceOptions } from './options/options.ts'

const HOUR_MS = 3_600_000
const own = TrustDomain.parse('example.org')

let authority: MintedCa
let other: MintedCa
let contents: readonly Content[]
let folder: Folder
let sources: FileSource[] = []

beforeAll(async () => {
  const times = { notBefore: Date.now() - HOUR_MS, notAfter: Date.now() + 100 * HOUR_MS }
  authority = await mintRootCa('example.org', times)
  other = await mintRootCa('example.org', times)
  contents = await Promise.all([1, 2, 3].map(() => contentOf(authority)))
})

beforeEach(async () => {
  folder = await Folder.make()
})

afterEach(async () => {
  for (const source of sources) await source.close()
  sources = []
  await folder[Symbol.asyncDispose]()
})

function ignore(): void {}

/** `Promise.withResolvers`, which Node 20 does not have. */
function withResolvers(): { readonly promise: Promise<void>; readonly resolve: () => void } {
  let resolve = ignore
  const promise = new Promise<void>((settle) => (resolve = settle))
  return { promise, resolve }
}

async function open(options: FileSourceOptions = folder.options): Promise<FileSource> {
  const source = await FileSource.open(options)
  sources.push(source)
  return source
}

/** Why a source does not open within its time. A busy machine gets more of it. */
async function openingError(): Promise<unknown> {
  let error: unknown
  for (const timeoutMs of [60, 600, 6_000]) {
    const options = { ...folder.options, timeoutMs, onProblem: ignore }
    error = await FileSource.open(options).catch((caught: unknown) => caught)
    if (!(error instanceof FileSourceError) || error.code !== 'timeout') break
  }
  return error
}

/** Resolves once the condition holds, at an update of the source. */
async function until(source: FileSource, holds: () => boolean): Promise<void> {
  while (!holds()) await source.nextUpdate()
}

const pemOf = (source: FileSource): string | undefined => source.svid?.exportCertificatesPem()
const [first, second] = [() => contents[0]!, () => contents[1]!]

describe('opening', () => {
  test('the SVID, its key and its bundle are those of the files', async () => {
    await folder.write(first())
    const source = await open()
    expect(source.state).toBe('ready')
    expect(source.error).toBeNull()
    expect(source.endpoint).toBe(pathToFileURL(folder.of('svid.pem')).href)
    expect(pemOf(source)).toBe(first().svid)
    expect(source.svid?.exportPrivateKeyPem()).toBe(first().key)
    expect(source.bundles.get(own)?.authorities).toHaveLength(1)
    expect(source.jwtBundles.size).toBe(0)
  })

  test('it waits for files that are written later', async () => {
    const opening = open()
    await folder.write(first())
    expect((await opening).svid?.spiffeId.toString()).toBe(WEB)
  })

  test('after the time for it the error says what was wrong last', async () => {
    expect(await openingError()).toMatchObject({
      code: 'unreadable',
      message: expect.stringContaining(`${folder.of('svid.pem')} cannot be read: ENOENT`),
    })
  })

  test('a warning says what it waits for', async () => {
    const warned = once(process, 'warning')
    const opening = open()
    const [warning] = await warned
    expect(warning).toMatchObject({ name: 'FileSourceWarning', code: 'unreadable' })
    await folder.write(first())
    await opening
  })

  test('a signal ends the wait', async () => {
    const ending = new AbortController()
    const opening = open({ ...folder.options, signal: ending.signal, onProblem: ignore })
    ending.abort(new Error('enough'))
    await expect(opening).rejects.toMatchObject({
      code: 'aborted',
      cause: expect.objectContaining({ message: 'enough' }),
    })
  })

  test.each([
    ['svid and svid_key of different pairs', 'key-mismatch'],
    ['a bundle of another authority', 'untrusted-svid'],
    ['a key that others may read', 'key-exposed'],
    ['an SVID that has expired', 'invalid-svid'],
    ['a key that is none', 'invalid-key'],
    ['a bundle that is none', 'invalid-bundle'],
  ])('%s are refused by the code %s', async (what, code) => {
    await folder.write(first())
    if (what.includes('pairs')) await folder.put('svid_key.pem', second().key)
    if (what.includes('authority')) await folder.put('svid_bundle.pem', other.certificatePem)
    if (what.includes('others')) await folder.put('svid_key.pem', first().key, 0o644)
    if (what.includes('expired')) {
      const template = { notBefore: Date.now() - 2_000, notAfter: Date.now() - 1_000 }
      await folder.write(await contentOf(authority, template))
    }
    if (what.includes('key that is')) await folder.put('svid_key.pem', 'no key')
    if (what.includes('bundle that is')) await folder.put('svid_bundle.pem', 'no bundle')
    expect(await openingError()).toMatchObject({ code })
  })
})

describe('a renewal is taken', () => {
  test.each<readonly [string, (next: Content) => Promise<void>]>([
    ['written in place', (next) => folder.write(next)],
    [
      'renamed over the files that are there',
      async ({ svid, key }) => {
        await folder.replace('svid_key.pem', key)
        await folder.replace('svid.pem', svid)
      },
    ],
    [
      'written anew after the files were removed',
      async (next) => {
        for (const name of ['svid.pem', 'svid_key.pem']) await unlink(folder.of(name))
        await folder.write(next)
      },
    ],
    [
      'saved by an editor that keeps a backup',
      async ({ svid, key }) => {
        for (const [name, content] of [
          ['svid.pem', svid],
          ['svid_key.pem', key],
        ] as const) {
          await rename(folder.of(name), folder.of(`${name}~`))
          await folder.put(name, content)
        }
      },
    ],
  ])('that was %s', async (_how, renew) => {
    await folder.write(first())
    const source = await open()
    await renew(second())
    await until(source, () => source.state === 'ready' && pemOf(source) === second().svid)
    expect(source.svid?.exportPrivateKeyPem()).toBe(second().key)
  })

  test('that Kubernetes made by the link ..data, in the layout of cert-manager', async () => {
    await folder.swap(first())
    const source = await open({ ...folder.options, layout: 'cert-manager' })
    for (const next of [contents[1]!, contents[2]!]) {
      await folder.swap(next)
      await until(source, () => pemOf(source) === next.svid)
      expect(source.state).toBe('ready')
    }
  })

  test('with another bundle alone, and the SVID stays the same object', async () => {
    await folder.write(first())
    const source = await open()
    const { svid } = source
    await folder.replace('svid_bundle.pem', first().bundle + other.certificatePem)
    await until(source, () => source.bundles.get(own)?.authorities.length === 2)
    expect(source.svid).toBe(svid)
  })

  test('by refresh() at once', async () => {
    await folder.write(first())
    const source = await open()
    await folder.write(second())
    await source.refresh()
    expect(pemOf(source)).toBe(second().svid)
  })
})

describe('the last good state stays in use', () => {
  let source: FileSource
  let svid: X509Svid | null

  beforeEach(async () => {
    await folder.write(first())
    source = await open()
    svid = source.svid
  })

  test.each<readonly [string, string, () => Promise<unknown>]>([
    [
      'a key of another certificate',
      'key-mismatch',
      () => folder.put('svid_key.pem', second().key),
    ],
    [
      'half a certificate',
      'invalid-svid',
      () => writeFile(folder.of('svid.pem'), first().svid.slice(0, 300)),
    ],
    ['an empty bundle', 'invalid-bundle', () => folder.put('svid_bundle.pem', '')],
    ['a missing key', 'unreadable', () => rm(folder.of('svid_key.pem'))],
    [
      'a key that everybody can read',
      'key-exposed',
      () => folder.put('svid_key.pem', first().key, 0o604),
    ],
    [
      'a bundle that everybody can write',
      'world-writable',
      () => folder.put('svid_bundle.pem', first().bundle, 0o666),
    ],
  ])(
    'with %s: the source is stale by %s, and ready when that is cured',
    async (_what, code, spoil) => {
      const rejected: unknown[] = []
      const listen = (event: unknown): void => void rejected.push(event)
      const channel = code === 'invalid-bundle' ? 'spiffe:bundle:rejected' : 'spiffe:svid:rejected'
      subscribe(channel, listen)
      await spoil()
      await until(source, () => source.state === 'stale')
      unsubscribe(channel, listen)
      expect(source.error).toMatchObject({ code })
      expect(source.svid).toBe(svid)
      expect(rejected).toContainEqual(expect.objectContaining({ endpoint: source.endpoint, code }))
      await folder.write(second())
      await until(source, () => source.state === 'ready')
      expect(pemOf(source)).toBe(second().svid)
    },
  )

  test('until the SVID expires, and a renewal after that is taken', async () => {
    let now = Date.now()
    const late = await open({ ...folder.options, clock: () => now })
    now += 200 * HOUR_MS
    expect(late.state).toBe('expired')
    expect(late.svid).toBeNull()
    now -= 200 * HOUR_MS
    expect(late.state).toBe('ready')
    expect(pemOf(late)).toBe(first().svid)
  })
})

describe('an SVID that is not valid yet', () => {
  test('is waited for, and taken when its time has come', async () => {
    let now = Date.now()
    const notBefore = Math.ceil(now / 1000) * 1000 + 20_000
    await folder.write(await contentOf(authority, { notBefore, notAfter: notBefore + HOUR_MS }))
    const problems: string[] = []
    const opening = open({
      ...folder.options,
      clock: () => now,
      onProblem: ({ code }) => {
        problems.push(code)
        now = notBefore
      },
    })
    expect((await opening).state).toBe('ready')
    expect(problems).toEqual(['not-yet-valid'])
  })

  test('leaves the one before in use meanwhile', async () => {
    let now = Date.now()
    await folder.write(first())
    const { promise: told, resolve: tell } = withResolvers()
    const source = await open({
      ...folder.options,
      clock: () => now,
      onProblem: ({ code }) => code === 'not-yet-valid' && tell(),
    })
    const notBefore = Math.ceil(now / 1000) * 1000 + 20_000
    const next = await contentOf(authority, { notBefore, notAfter: notBefore + HOUR_MS })
    await folder.write(next)
    await told
    expect([source.state, pemOf(source)]).toEqual(['stale', first().svid])
    now = notBefore
    await until(source, () => source.state === 'ready')
    expect(pemOf(source)).toBe(next.svid)
  })
})

test('what happens is published, without the key', async () => {
  const events: string[] = []
  const channels = ['spiffe:svid:updated', 'spiffe:bundle:updated', 'spiffe:source:state']
  const listen = (event: unknown, name: string | symbol): void => {
    expect(Object.isFrozen(event)).toBe(true)
    events.push(`${String(name)} ${JSON.stringify(event)}`)
  }
  for (const channel of channels) subscribe(channel, listen)
  await folder.write(first())
  const source = await open()
  for (const channel of channels) unsubscribe(channel, listen)
  expect(events.filter((event) => event.includes(source.endpoint))).toHaveLength(3)
  const [, line] = first().key.split('\n')
  const shown = `${events.join()}${inspect(source, { depth: 10, showHidden: true })}${JSON.stringify(source)}`
  expect(shown).not.toContain(line)
})

test('after close() waits end, files are not read, and the SVID stays readable', async () => {
  await folder.write(first())
  const source = await open()
  const waiting = source.nextUpdate()
  await source.close()
  await waiting
  await expect(source.nextUpdate()).rejects.toMatchObject({ code: 'source-closed' })
  await folder.write(second())
  await source.refresh()
  await source.close()
  expect([source.state, pemOf(source)]).toEqual(['closed', first().svid])
})
