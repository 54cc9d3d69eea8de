import { EventEmitter, once } from 'node:events'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFileSync } from 'node:fs'
import { chmod, mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { generateKeyPair, mintRootCa } from '@fastify-spiffe/authority'
import {
  Bundle,
  BundleSet,
  JwtBundle,
  TrustDomain,
  X509Bundle,
  type Certificate,
  type SourceState,
} from '@fastify-spiffe/spiffe'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { afterAll, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { jwtBundleOf, ScriptedJwtSource } from './client.test.helper.ts'
import type { BundleSources } from './own-bundle.ts'
import { BundlePublisher, type PublisherSettings } from './publisher.ts'
import { PublisherReport } from './report.ts'
import { nextSequence } from './sequence-record.ts'

const domain = TrustDomain.parse('example.org')
const other = TrustDomain.parse('other.test')
let folder: string
let [a, b, c]: Certificate[] = []

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'bundle-endpoint-'))
  const keyPair = await generateKeyPair('ec-p256')
  const mint = async (): Promise<Certificate> =>
    (await mintRootCa('example.org', { keyPair })).certificate
  ;[a, b, c] = [await mint(), await mint(), await mint()]
})

afterAll(() => rm(folder, { recursive: true }))

/** Emits `published`. */
const log = new EventEmitter()
const report = new PublisherReport({
  info: () => log.emit('published'),
  warn: () => undefined,
  error: () => undefined,
})
const T0 = Date.UTC(2030, 0, 1)

let now: number
let source: ScriptedSource

const bundlesOf = (...authorities: (Certificate | undefined)[]): BundleSet =>
  BundleSet.of(
    X509Bundle.of(
      domain,
      authorities.flatMap((each) => each ?? []),
    ),
  )

beforeEach(() => {
  now = T0
  source = new ScriptedSource(null, bundlesOf(a))
})

function open(
  settings: Partial<PublisherSettings> = {},
  sources: Partial<BundleSources> = {},
): Promise<BundlePublisher> {
  return BundlePublisher.open(
    { trustDomain: domain, source, jwtSource: null, ...sources },
    {
      refreshHintMs: 300_000,
      maxBytes: 4 * 1024 * 1024,
      sequenceFile: null,
      clock: () => now,
      report,
      ...settings,
    },
  )
}

/** What is published after the updates of this turn. */
async function settle(publisher: BundlePublisher): Promise<Bundle | null> {
  await setImmediate()
  const { publication } = publisher
  return publication === null ? null : Bundle.parse(domain, publication.body)
}

/** Publishes other authorities, by way of a file. */
async function publish(...authorities: (Certificate | undefined)[]): Promise<void> {
  const done = once(log, 'published')
  change(...authorities)
  await done
}

const change = (...authorities: (Certificate | undefined)[]): void =>
  source.set(null, bundlesOf(...authorities))

describe('the sequence', () => {
  test('is the time of the change, and stays while nothing changes', async () => {
    const publisher = await open()
    expect((await settle(publisher))?.sequence).toBe(BigInt(T0))
    const { publication } = publisher
    now += 5000
    change(a)
    await settle(publisher)
    expect(publisher.publication).toBe(publication)
    change(a, b)
    const changed = await settle(publisher)
    expect(changed?.sequence).toBe(BigInt(T0 + 5000))
    expect(changed?.x509.authorities).toEqual([a, b])
    publisher.close()
  })

  test('does not grow for another order of the same authorities, nor for a foreign bundle', async () => {
    change(a, b)
    const jwtSource = new ScriptedJwtSource()
    const [one, two] = ['1', '2'].map((keyId) => jwtBundleOf(domain, keyId).authorities[0]!)
    jwtSource.set(JwtBundle.of(domain, [one!, two!]))
    const publisher = await open({}, { jwtSource })
    now += 1000
    change(b, a)
    jwtSource.set(JwtBundle.of(domain, [two!, one!]), jwtBundleOf(other, 'x'))
    source.set(null, source.bundles.with(X509Bundle.of(other, [])))
    expect((await settle(publisher))?.sequence).toBe(BigInt(T0))
    publisher.close()
  })

  test('grows with each change, also when the clock is set back, stands still or is broken', async () => {
    const publisher = await open()
    const seen: bigint[] = []
    for (const time of [T0, T0 - 86_400_000, 0, -1, NaN, Infinity, 1e300, T0]) {
      now = time
      change(a, seen.length % 2 === 0 ? b : c)
      seen.push((await settle(publisher))!.sequence!)
    }
    expect(seen).toEqual(seen.map((_, index) => BigInt(T0 + 1 + index)))
    publisher.close()
  })

  test('grows when authorities come back that were there before', async () => {
    const publisher = await open()
    const first = (await settle(publisher))?.sequence
    change(b)
    change(a)
    // Nobody has seen the change in between.
    expect((await settle(publisher))?.sequence).toBe(first)
    change(b)
    await settle(publisher)
    change(a)
    expect((await settle(publisher))?.sequence).toBe(BigInt(T0 + 2))
    publisher.close()
  })

  test('stays within the 64 bits that consumers read', () => {
    const year9999 = nextSequence(null, 'x', () => Date.UTC(9999, 11, 31))
    expect(year9999.sequence < 2n ** 53n).toBe(true)
  })
})

const path = (name: string): string => join(folder, name)

describe('the sequence file', () => {
  test('keeps the sequence and the octets over a restart', async () => {
    const sequenceFile = path('restart')
    const first = await open({ sequenceFile })
    const { body } = first.publication!
    first.close()
    now += 60_000
    const second = await open({ sequenceFile })
    expect(second.publication!.body.equals(body)).toBe(true)
    second.close()
    expect((await stat(sequenceFile)).mode & 0o777).toBe(0o600)
  })

  test('serves no lower sequence after a restart with a clock that was set back', async () => {
    const sequenceFile = path('back')
    const first = await open({ sequenceFile })
    await publish(a, b)
    first.close()
    now = T0 - 86_400_000
    change(c)
    const second = await open({ sequenceFile })
    expect(second.publication!.sequence).toBe(BigInt(T0 + 2))
    second.close()
    const third = await open({ sequenceFile, refreshHintMs: 10_000 })
    expect(third.publication!.sequence).toBe(BigInt(T0 + 3))
    third.close()
  })

  test('is written before the bundle is served, and leaves no other file', async () => {
    await mkdir(path('alone'))
    const sequenceFile = path('alone/sequence')
    const publisher = await open({ sequenceFile })
    const stored: unknown[] = []
    const onPublished = (): void => {
      stored.push(JSON.parse(readFileSync(sequenceFile, 'utf8')).sequence)
    }
    subscribe('spiffe:bundle-endpoint:published', onPublished)
    await publish(a, b)
    await publish(a, c)
    await publish(a, b)
    unsubscribe('spiffe:bundle-endpoint:published', onPublished)
    expect(stored).toEqual([1, 2, 3].map((each) => String(T0 + each)))
    expect(await readdir(path('alone'))).toEqual(['sequence'])
    publisher.close()
  })

  test('that cannot be written is reported, and the bundle is served anyway; the next change tries again', async () => {
    const events: unknown[] = []
    const onEvent = (event: unknown): void => void events.push(event)
    subscribe('spiffe:bundle-endpoint:sequence-not-stored', onEvent)
    const sequenceFile = path('missing/sequence')
    const publisher = await open({ sequenceFile })
    expect(publisher.publication!.sequence).toBe(BigInt(T0))
    expect(events).toEqual([{ trustDomain: 'example.org', sequence: BigInt(T0), cause: 'ENOENT' }])
    await mkdir(path('missing'))
    await publish(b)
    unsubscribe('spiffe:bundle-endpoint:sequence-not-stored', onEvent)
    expect(JSON.parse(await readFile(sequenceFile, 'utf8')).sequence).toBe(String(T0 + 1))
    publisher.close()
  })

  test.each([
    ['empty', ''],
    ['no JSON', '{'],
    ['a list', '[]'],
    ['null', 'null'],
    ['of another trust domain', '{"trustDomain":"other.test","sequence":"1","digest":"D"}'],
    ['without a sequence', '{"trustDomain":"example.org","digest":"D"}'],
    ['with a number for a sequence', '{"trustDomain":"example.org","sequence":1,"digest":"D"}'],
    ['with a negative sequence', '{"trustDomain":"example.org","sequence":"-1","digest":"D"}'],
    [
      'with two sequences',
      '{"trustDomain":"example.org","sequence":"1","sequence":"2","digest":"D"}',
    ],
    [
      'with too large a sequence',
      `{"trustDomain":"example.org","sequence":"${2n ** 63n - 1n}","digest":"D"}`,
    ],
    ['without a digest', '{"trustDomain":"example.org","sequence":"1"}'],
    ['too long', ' '.repeat(4097)],
  ])('that is %s ends the start', async (_, text) => {
    const sequenceFile = path('bad')
    await writeFile(sequenceFile, text.replace('"D"', `"${'x'.repeat(43)}"`))
    await expect(open({ sequenceFile })).rejects.toMatchObject({ code: 'invalid-sequence-file' })
    expect(await readFile(sequenceFile, 'utf8')).toBe(text.replace('"D"', `"${'x'.repeat(43)}"`))
  })

  test('that is a folder, or cannot be read, ends the start', async () => {
    const refused = { code: 'invalid-sequence-file' }
    await expect(open({ sequenceFile: folder })).rejects.toMatchObject(refused)
    const locked = path('locked')
    await writeFile(locked, 'x')
    await chmod(locked, 0)
    await expect(open({ sequenceFile: locked })).rejects.toMatchObject(refused)
  })
})

/** Why nothing is published any more after `act`. */
async function reasonOf(act: () => void, publisher: BundlePublisher): Promise<unknown> {
  const events: { reason: unknown }[] = []
  const onEvent = (event: unknown): void => void events.push(event as { reason: unknown })
  subscribe('spiffe:bundle-endpoint:withheld', onEvent)
  act()
  await settle(publisher)
  unsubscribe('spiffe:bundle-endpoint:withheld', onEvent)
  expect(publisher.publication).toBeNull()
  expect(events).toHaveLength(1)
  return events[0]?.reason
}

function enter(state: SourceState): void {
  source.state = state
  source.set(null, source.bundles)
}

describe('nothing is published', () => {
  test('without an X.509 bundle of the own trust domain, and the same bundle again once it is back', async () => {
    const publisher = await open()
    const { body } = publisher.publication!
    expect(await reasonOf(() => source.set(null, BundleSet.empty), publisher)).toBe('no-bundle')
    now += 1000
    change(a)
    await settle(publisher)
    expect(publisher.publication!.body.equals(body)).toBe(true)
    publisher.close()
  })

  test.each(['denied', 'failed', 'closed'] as const)('from a source that is %s', async (state) => {
    const publisher = await open()
    expect(await reasonOf(() => enter(state), publisher)).toBe('source-ended')
    publisher.close()
  })

  test('unless the source is interrupted only: then the last good bundle is', async () => {
    const publisher = await open()
    for (const state of ['stale', 'expired'] as const) {
      enter(state)
      expect((await settle(publisher))?.x509.authorities).toEqual([a])
    }
    publisher.close()
  })

  test('without the JWT authorities that it should have: the bundle would withdraw them', async () => {
    const jwtSource = new ScriptedJwtSource()
    const publisher = await open({}, { jwtSource })
    expect(publisher.publication).toBeNull()
    jwtSource.set(jwtBundleOf(domain, '1'))
    expect((await settle(publisher))?.jwt.find('1')).toBeDefined()
    expect(await reasonOf(() => jwtSource.set(), publisher)).toBe('no-jwt-bundle')
    jwtSource.set(jwtBundleOf(domain, '2'))
    expect((await settle(publisher))?.sequence).toBe(BigInt(T0 + 1))
    expect(await reasonOf(() => jwtSource.enter('failed'), publisher)).toBe('source-ended')
    publisher.close()
    expect(jwtSource.subscriptions).toBe(0)
  })

  test('when the SVID of the source is one of another trust domain', async () => {
    const svid = await (await mintRootCa('other.test')).mint('spiffe://other.test/x')
    const publisher = await open()
    const set = (): void => source.set(svid.toX509Svid(), source.bundles)
    expect(await reasonOf(set, publisher)).toBe('foreign-svid')
    publisher.close()
  })

  test('that is larger than allowed, up to the byte', async () => {
    const measured = await open()
    const bytes = measured.publication!.body.length
    measured.close()
    const allowed = await open({ maxBytes: bytes })
    expect(allowed.publication).not.toBeNull()
    expect(await reasonOf(() => change(a, b), allowed)).toBe('too-large')
    change(b)
    expect((await settle(allowed))?.x509.authorities).toEqual([b])
    allowed.close()
    const refused = await open({ maxBytes: bytes - 1 })
    expect(refused.publication).toBeNull()
    refused.close()
  })

  test('an empty bundle is: it withdraws all authorities', async () => {
    const publisher = await open()
    change()
    const bundle = await settle(publisher)
    expect(bundle?.x509.authorities).toEqual([])
    expect(bundle?.sequence).toBe(BigInt(T0 + 1))
    publisher.close()
  })
})
