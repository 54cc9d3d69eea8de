import { generateKeyPairSync } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { chmod, mkdir, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HeldTimers } from '@fastify-spiffe-test/kit/held-timers'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { Bundle, BundleSet, stringifyBundleMap, X509Bundle } from '@fastify-spiffe/spiffe'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { ForgedRepository, NOW, open } from './forged-repository.test.helper.ts'
import { TufBundleSource, type TufBundleSourceOptions } from './index.ts'

const DAY_MS = 86_400_000
const A = { path: 'a.json', trustDomain: 'a.test' }
const MAP = { path: 'map.json' }

const { privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const pem = privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()

let a: MintedCa
let next: MintedCa
let b: MintedCa
let repository: ForgedRepository

beforeAll(async () => {
  a = await mintRootCa('a.test')
  next = await mintRootCa('a.test')
  b = await mintRootCa('b.test')
})

beforeEach(async () => {
  repository = await ForgedRepository.serve({
    'a.json': bundle(5n, a).stringify(),
    'map.json': mapOf(bundle(1n, b)),
    'policy.json': '{"version":"1"}',
  })
})

afterEach(() => repository[Symbol.asyncDispose]())

function bundle(sequence: bigint, ...authorities: readonly MintedCa[]): Bundle {
  const { trustDomain } = authorities[0]!
  const certificates = authorities.map(({ certificate }) => certificate)
  return Bundle.of(trustDomain, { x509: X509Bundle.of(trustDomain, certificates), sequence })
}

function mapOf(...bundles: readonly Bundle[]): string {
  return stringifyBundleMap(BundleSet.of(...bundles))
}

function namesOf({ bundles }: TufBundleSource): readonly string[] {
  return Array.from(bundles, ({ trustDomain }) => trustDomain.name)
}

function publish(path: string, content: string): void {
  repository.setTarget(path, content)
  repository.nextAll()
}

function fail(status = 503): void {
  repository.intercept = (_path, response) => {
    response.writeHead(status).end()
    return true
  }
}

function work(): void {
  repository.intercept = () => false
}

/** What is published on the channels of this package, until it is stopped. */
function record(): { stop(): readonly object[] } {
  const names = ['updated', 'failed', 'recovered', 'expired'].map((name) => `spiffe:tuf:${name}`)
  const events: object[] = []
  const listener = (message: unknown, name: string | symbol): void => {
    events.push({ event: String(name).split(':').at(-1), ...(message as object) })
  }
  for (const name of names) subscribe(name, listener)
  return {
    stop: () => {
      for (const name of names) unsubscribe(name, listener)
      return events
    },
  }
}

describe('the bundles', () => {
  test('are those of the targets: of one trust domain each, or of a map', async () => {
    await using source = await open(repository, { bundles: [A, MAP] })
    expect(namesOf(source)).toEqual(['a.test', 'b.test'])
    expect(source.bundles.get(a.trustDomain)?.has(a.certificate)).toBe(true)
    expect(source.status).toMatchObject({
      rootVersion: 1,
      timestampVersion: 1,
      verifiedAt: NOW,
      failures: 0,
      targets: [
        { path: 'a.json', kind: 'bundle', state: 'ready', origin: 'fetched', version: 1 },
        { path: 'map.json', kind: 'bundle-map', trustDomains: ['b.test'] },
      ],
    })
    expect([source.state, source.error]).toEqual(['ready', null])
  })

  test('change with the repository, and listeners hear of it once', async () => {
    await using source = await open(repository, { bundles: [A, MAP] })
    const before = source.bundles.get(b.trustDomain)
    let count = 0
    source.onUpdate(() => count++)
    await source.refresh()
    expect(count).toBe(0)
    publish('a.json', bundle(6n, a, next).stringify())
    await source.refresh()
    expect([count, source.bundles.get(a.trustDomain)?.authorities.length]).toEqual([1, 2])
    expect(source.bundles.get(b.trustDomain)).toBe(before)
  })

  test('of a map go with the map', async () => {
    await using source = await open(repository, { bundles: [A, MAP] })
    publish('map.json', mapOf())
    await source.refresh()
    expect(namesOf(source)).toEqual(['a.test'])
  })

  test('are not fetched again while their hash is the same', async () => {
    await using source = await open(repository, { bundles: [A, MAP] })
    repository.nextAll()
    repository.requests.length = 0
    await source.refresh()
    expect(repository.requests).toEqual([
      'metadata/2.root.json',
      'metadata/timestamp.json',
      'metadata/2.snapshot.json',
      'metadata/2.targets.json',
    ])
  })

  test('need two requests when nothing has changed', async () => {
    await using source = await open(repository, { bundles: [A] })
    repository.requests.length = 0
    await source.refresh()
    expect(repository.requests).toEqual(['metadata/2.root.json', 'metadata/timestamp.json'])
  })
})

describe('a target that is refused', () => {
  test.each<[string, string, () => string]>([
    ['invalid-target', 'is no bundle', () => '{"keys":1}'],
    ['older-sequence', 'has a lower sequence', () => bundle(4n, next).stringify()],
    ['no-authorities', 'has no authority', () => '{"keys":[],"spiffe_sequence":6}'],
    ['private-key', 'holds a private key', () => pem],
  ])('as %s, because it %s, leaves what was held, and the others apply', async (code, _, text) => {
    await using source = await open(repository, { bundles: [A, MAP] })
    repository.setTarget('map.json', mapOf(bundle(2n, b, await mintRootCa('b.test'))))
    publish('a.json', text())
    const { targets, failures } = await source.refresh()
    expect([source.state, failures]).toEqual(['stale', 1])
    expect(targets[0]).toMatchObject({ state: 'stale', lastFailure: { code, target: 'a.json' } })
    expect(targets[1]).toMatchObject({ state: 'ready', lastFailure: null })
    expect(source.bundles.get(a.trustDomain)?.has(a.certificate)).toBe(true)
    expect(source.bundles.get(b.trustDomain)?.authorities).toHaveLength(2)
    publish('a.json', bundle(7n, next).stringify())
    await source.refresh()
    expect([source.state, source.status.failures]).toEqual(['ready', 0])
  })

  test('because the map speaks for a trust domain that is not its own changes nothing', async () => {
    publish('map.json', mapOf(bundle(2n, b), bundle(9n, next)))
    await using source = await open(repository, { bundles: [A, MAP] })
    expect(source.error?.code).toBe('foreign-trust-domain')
    expect(namesOf(source)).toEqual(['a.test'])
    await using other = await open(repository, {
      bundles: [{ ...MAP, trustDomains: ['c.test'] }],
      directory: join(repository.folder, 'other'),
    })
    expect([other.error?.code, other.bundles.size]).toEqual(['foreign-trust-domain', 0])
  })

  test('because the repository has none is named', async () => {
    await using source = await open(repository, { bundles: [{ path: 'none', trustDomain: 'n' }] })
    expect(source.status.targets[0]?.lastFailure?.code).toBe('no-target')
  })

  test('because of a private key is never written to the disk', async () => {
    publish('policy.json', JSON.stringify({ keys: [privateKey.export({ format: 'jwk' })] }))
    const events = record()
    await using source = await open(repository, { bundles: [A], files: ['policy.json'] })
    expect(source.file('policy.json')).toBeNull()
    expect(events.stop()).toContainEqual(
      expect.objectContaining({ event: 'failed', code: 'private-key', target: 'policy.json' }),
    )
    await expect(readFile(join(repository.directory, 'files', 'policy.json'))).rejects.toThrow()
  })

  test('empty, is taken with allowEmptyBundles', async () => {
    publish('a.json', '{"keys":[],"spiffe_sequence":6}')
    await using source = await open(repository, { bundles: [A], allowEmptyBundles: true })
    expect(source.bundles.get(a.trustDomain)?.authorities).toEqual([])
  })
})

describe('the network', () => {
  test('is asked again soon after it failed, and the state changes with the third time', async () => {
    const timers = new HeldTimers()
    const { setTimer } = timers
    await using source = await open(repository, { bundles: [A], setTimer, random: () => 1 })
    expect(source.status.nextRefreshAt).toBe(NOW + 900_000)
    fail()
    const waits: number[] = []
    const states: string[] = []
    for (let count = 0; count < 12; count++) {
      const { nextRefreshAt } = await source.refresh()
      waits.push((nextRefreshAt ?? 0) - NOW)
      states.push(source.state)
    }
    expect(waits.slice(0, 4)).toEqual([2000, 4000, 8000, 16_000])
    expect(waits.slice(9)).toEqual([900_000, 900_000, 900_000])
    expect(states.slice(0, 3)).toEqual(['ready', 'ready', 'stale'])
    expect(source.error?.code).toBe('unexpected-status')
    expect(namesOf(source)).toEqual(['a.test'])
    const events = record()
    work()
    await source.refresh()
    expect(source.state).toBe('ready')
    expect(events.stop()).toEqual([{ event: 'recovered', failures: 12 }])
  })

  test('that fails once counts when the timestamp has lived for half of its life', async () => {
    let now = NOW
    await using source = await open(repository, { bundles: [A], clock: () => now })
    fail()
    now += DAY_MS / 2
    await source.refresh()
    expect(source.state).toBe('ready')
    work()
    await source.refresh()
    fail()
    now += 1
    await source.refresh()
    expect(source.state).toBe('stale')
  })

  test.each([301, 404, 500])('is not trusted with status %i', async (status) => {
    await using source = await open(repository, { bundles: [A] })
    fail(status)
    expect((await source.refresh()).lastFailure?.code).toBe('unexpected-status')
  })

  test('that answers too slowly is cut off', async () => {
    const timers = new HeldTimers()
    await using source = await open(repository, { bundles: [A], setTimer: timers.setTimer })
    const asked = new Promise<void>((resolve) => {
      repository.intercept = () => {
        resolve()
        return true
      }
    })
    const refreshed = source.refresh()
    await asked
    timers.fire(30_000)
    expect((await refreshed).lastFailure?.code).toBe('timeout')
  })

  test('is asked when the time has come, without anybody asking', async () => {
    const timers = new HeldTimers()
    const options = { bundles: [A], setTimer: timers.setTimer, random: () => 0 }
    await using source = await open(repository, options)
    publish('a.json', bundle(6n, a, next).stringify())
    const updated = source.nextUpdate()
    timers.fire(300_000)
    await updated
    expect(source.bundles.get(a.trustDomain)?.authorities).toHaveLength(2)
  })

  test('is asked sooner when a bundle asks for it', async () => {
    const hint = Bundle.of(a.trustDomain, {
      x509: X509Bundle.of(a.trustDomain, [a.certificate]),
      refreshHintMs: 120_000,
    })
    publish('a.json', hint.stringify())
    await using source = await open(repository, { bundles: [A] })
    expect(source.status.nextRefreshAt).toBe(NOW + 120_000)
  })
})

describe('bundles that nobody could verify for too long', () => {
  test('count no more, until they are verified again', async () => {
    let now = NOW
    const timers = new HeldTimers()
    const events = record()
    await using source = await open(repository, {
      bundles: [A, MAP],
      clock: () => now,
      setTimer: timers.setTimer,
      maxStalenessMs: 3 * DAY_MS,
    })
    expect(source.status.expiresAt).toBe(NOW + 3 * DAY_MS)
    now += 3 * DAY_MS - 1
    fail()
    await source.refresh()
    expect(namesOf(source)).toHaveLength(2)
    now += 1
    let count = 0
    source.onUpdate(() => count++)
    timers.fire(1)
    expect([source.state, source.bundles.size, source.jwtBundles.size]).toEqual(['expired', 0, 0])
    expect(count).toBeGreaterThan(0)
    expect(events.stop()).toContainEqual({ event: 'expired', verifiedAt: NOW })
    work()
    repository.expiresAt.timestamp = now + DAY_MS
    repository.nextAll()
    await source.refresh()
    expect([source.state, source.bundles.size]).toEqual(['ready', 2])
  })

  test('count no more after a restart either', async () => {
    await (await open(repository, { bundles: [A] })).close()
    fail()
    const now = NOW + DAY_MS
    await using source = await open(repository, { bundles: [A], clock: () => now })
    expect([source.state, source.bundles.size]).toEqual(['expired', 0])
  })
})

describe('a clock that is set back', () => {
  test('is noticed once, and the latest time counts', async () => {
    let now = NOW + 3_600_000
    const events = record()
    await using source = await open(repository, { bundles: [A], clock: () => now })
    now = NOW
    expect((await source.refresh()).lastFailure?.code).toBe('clock-set-back')
    expect(source.state).toBe('stale')
    await source.refresh()
    const codes = events.stop().filter((event) => Reflect.get(event, 'code') === 'clock-set-back')
    expect(codes).toHaveLength(1)
    now = NOW + 3_600_000
    await source.refresh()
    expect(source.state).toBe('ready')
  })
})

describe('a file', () => {
  test('is offered as octets with a version, and as a copy for those who read files', async () => {
    await using source = await open(repository, { files: ['policy.json'] })
    const first = source.file('policy.json')
    expect(first).toMatchObject({ path: 'policy.json', version: 1 })
    expect(await readFile(first?.location ?? '', 'utf8')).toBe('{"version":"1"}')
    publish('policy.json', '{"version":"2"}')
    await source.refresh()
    const second = source.file('policy.json')
    expect(second).toMatchObject({ version: 2, location: first?.location })
    expect(await readFile(first?.location ?? '', 'utf8')).toBe('{"version":"2"}')
    expect(source.file('other.json')).toBeNull()
  })

  test('that was changed on the disk is put right at the next start', async () => {
    const before = await open(repository, { files: ['policy.json'] })
    const { location = '' } = before.file('policy.json') ?? {}
    await before.close()
    await writeFile(location, 'forged')
    fail()
    await using source = await open(repository, { files: ['policy.json'] })
    expect(source.file('policy.json')?.bytes.toString()).toBe('{"version":"1"}')
    expect(await readFile(location, 'utf8')).toBe('{"version":"1"}')
  })
})

describe('open', () => {
  test('begins with what is stored, without waiting for the repository', async () => {
    await (await open(repository, { bundles: [A] })).close()
    fail()
    await using source = await open(repository, { bundles: [A] })
    expect(namesOf(source)).toEqual(['a.test'])
    expect(source.status.targets[0]).toMatchObject({ origin: 'stored', version: 1 })
  })

  test('does not fail because the repository cannot be reached', async () => {
    fail()
    await using source = await open(repository, { bundles: [A] })
    expect([source.state, source.bundles.size]).toEqual(['stale', 0])
  })

  test('refuses a root that is another one than was given', async () => {
    const root = { ...repository.pinnedRoot, sha256: '0'.repeat(64) }
    await expect(open(repository, { root })).rejects.toMatchObject({ code: 'root-mismatch' })
    const missing = { ...root, file: join(repository.folder, 'none') }
    await expect(open(repository, { root: missing })).rejects.toMatchObject({
      code: 'root-unreadable',
    })
    expect(repository.requests).toEqual([])
  })

  test('with another root than before keeps no bundle of the former one', async () => {
    await (await open(repository, { bundles: [A] })).close()
    await using other = await ForgedRepository.serve({ 'a.json': bundle(1n, next).stringify() })
    fail()
    const root = other.pinnedRoot
    await using source = await open(repository, { bundles: [A], root })
    expect(source.bundles.size).toBe(0)
    await source.close()
    const options = { bundles: [A], root, directory: repository.directory }
    await using again = await open(other, options)
    expect(again.bundles.get(a.trustDomain)?.has(next.certificate)).toBe(true)
  })

  test('refuses a directory that others can read, and one that is in use', async () => {
    await mkdir(repository.directory)
    await chmod(repository.directory, 0o755)
    await expect(open(repository)).rejects.toMatchObject({ code: 'unsafe-directory' })
    await rm(repository.directory, { recursive: true })
    await using source = await open(repository)
    await expect(open(repository)).rejects.toMatchObject({ code: 'directory-in-use' })
    expect(source.state).toBe('ready')
  })

  test.each<[string, object]>([
    ['unknown-option', { bundle: [] }],
    ['unknown-option', { root: { file: 'x', sha256: '0'.repeat(64), url: 'x' } }],
    ['invalid-option', { metadataUrl: 'ftp://tuf.test/' }],
    ['invalid-option', { metadataUrl: 'https://user:secret@tuf.test/' }],
    ['invalid-option', { metadataUrl: 'https://tuf.test/?x' }],
    ['invalid-option', { targetsUrl: 'targets' }],
    ['invalid-option', { root: { file: 'x', sha256: 'x' } }],
    ['invalid-option', { root: undefined }],
    ['invalid-option', { directory: '' }],
    ['invalid-option', { bundles: [{ path: '../a.json' }] }],
    ['invalid-option', { bundles: [{ path: '/a.json' }] }],
    ['invalid-option', { bundles: [A, A] }],
    ['invalid-option', { bundles: [A, { ...A, path: 'b.json' }] }],
    ['invalid-option', { bundles: [{ ...A, trustDomains: [] }] }],
    ['invalid-option', { bundles: [{ path: 'a.json', trustDomain: 'A b' }] }],
    ['invalid-option', { files: ['a.json', 'a.json'] }],
    ['invalid-option', { minRefreshMs: 1000 }],
    ['invalid-option', { minRefreshMs: 900_000, maxRefreshMs: 300_000 }],
    ['invalid-option', { maxStalenessMs: 0 }],
    ['invalid-option', { ca: 'x' }],
    ['invalid-option', { clock: 5 }],
  ])('refuses as %s: %j', async (code, options) => {
    await expect(
      open(repository, options as Partial<TufBundleSourceOptions>),
    ).rejects.toMatchObject({ code })
  })
})

describe('close', () => {
  test('ends a refresh and all waits; what is held stays readable', async () => {
    const source = await open(repository, { bundles: [A] })
    const asked = new Promise<void>((resolve) => {
      repository.intercept = () => {
        resolve()
        return true
      }
    })
    const running = source.refresh()
    await asked
    const ended = expect(source.nextUpdate().then(() => source.nextUpdate())).rejects.toMatchObject(
      {
        code: 'source-closed',
      },
    )
    await source.close()
    await running
    await ended
    expect([source.state, namesOf(source)]).toEqual(['closed', ['a.test']])
    await expect(source.refresh()).rejects.toMatchObject({ code: 'closed' })
    await source.close()
    await using another = await open(repository, { bundles: [A] })
    expect(namesOf(another)).toEqual(['a.test'])
  })
})
