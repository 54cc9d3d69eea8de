import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { beforeEach, describe, expect, test } from '@jest/globals'
import { BundleSet, type TrustDomainBundle } from '../bundle/bundle-set.ts'
import { JwtAuthority } from '../bundle/jwt-authority.ts'
import { JwtBundle } from '../bundle/jwt-bundle.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { X509Bundle } from '../x509/bundle.ts'
import { Certificate } from '../x509/certificate.ts'
import { forge, newKeyPair, refuses } from '../x509/x509.test.support.ts'
import type { BundleConflictEvent } from './fallback-bundles.ts'
import type { SourceState, WaitOptions } from './source.ts'
import { Updates } from './updates.ts'
import { withFallbackBundles, withFallbackJwtBundles } from './with-fallback-bundles.ts'

const own = TrustDomain.parse('own.test')
const partner = TrustDomain.parse('partner.test')
const third = TrustDomain.parse('third.test')

const authority = (): Certificate => Certificate.fromDer(forge())
const [one, two] = [authority(), authority()]
const key = newKeyPair().publicKey.export({ format: 'jwk' })
const jwtOf = (trustDomain: TrustDomain, kid: string): JwtBundle =>
  JwtBundle.of(trustDomain, [JwtAuthority.fromJwk({ ...key, kid })])

/** A source that holds what the test puts in. */
class HeldSource {
  readonly #updates = new Updates()
  readonly svid = null
  state: SourceState = 'ready'
  bundles = BundleSet.empty
  jwtBundles = BundleSet.of<JwtBundle>()

  put(change: {
    bundles?: BundleSet
    jwtBundles?: BundleSet<JwtBundle>
    state?: SourceState
  }): void {
    Object.assign(this, change)
    this.#updates.notify()
  }

  get subscriptions(): number {
    return this.#updates.size
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  async close(): Promise<void> {
    this.put({ state: 'closed' })
    this.#updates.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

const bundle = (trustDomain: TrustDomain, ...authorities: Certificate[]): X509Bundle =>
  X509Bundle.of(trustDomain, authorities)

const namesIn = (bundles: Iterable<TrustDomainBundle>): string[] =>
  [...bundles].map(({ trustDomain }) => trustDomain.name).toSorted()

let first: HeldSource
let second: HeldSource

beforeEach(() => {
  first = new HeldSource()
  second = new HeldSource()
  first.bundles = BundleSet.of(bundle(own, one))
  second.bundles = BundleSet.of(bundle(own, two), bundle(partner, two))
})

/** The conflicts that are published while `act` runs. */
function conflictsIn(act: () => void): BundleConflictEvent[] {
  const events: BundleConflictEvent[] = []
  const listener = (event: unknown): void => {
    events.push(event as BundleConflictEvent)
  }
  subscribe('spiffe:bundle:conflict', listener)
  act()
  unsubscribe('spiffe:bundle:conflict', listener)
  return events
}

describe('a source with fallbacks', () => {
  test('has for each trust domain the bundle of the first source that has one, and merges none', () => {
    const source = withFallbackBundles(first, second)
    expect(namesIn(source.bundles)).toEqual(['own.test', 'partner.test'])
    expect(source.bundles.get(own)).toBe([...first.bundles][0])
    expect(source.bundles.get(own)?.has(two)).toBe(false)
    expect(source.bundles.get(partner)).toBe(second.bundles.get(partner))
  })

  test('an empty bundle of the first source counts: its trust domain is trusted no more', () => {
    first.bundles = BundleSet.of(bundle(own, one), bundle(partner))
    const source = withFallbackBundles(first, second)
    expect(source.bundles.get(partner)?.authorities).toEqual([])
  })

  test('falls back when the first source has none any more, and has none when nobody has', () => {
    first.bundles = BundleSet.of(bundle(own, one), bundle(partner, one), bundle(third, one))
    const source = withFallbackBundles(first, second)
    expect(source.bundles.get(partner)?.has(one)).toBe(true)
    first.put({ bundles: BundleSet.of(bundle(own, one)) })
    expect(source.bundles.get(partner)?.has(two)).toBe(true)
    expect(source.bundles.get(third)).toBeUndefined()
    second.put({ bundles: BundleSet.empty })
    expect(source.bundles.get(partner)).toBeUndefined()
  })

  test('has the same bundles as long as nothing changes, and tells of each change of each source', () => {
    const source = withFallbackBundles(first, second)
    let count = 0
    source.onUpdate(() => count++)
    const { bundles } = source
    expect(source.bundles).toBe(bundles)
    second.put({ bundles: second.bundles.with(bundle(third, one)) })
    expect(namesIn(source.bundles)).toEqual(['own.test', 'partner.test', 'third.test'])
    expect(source.bundles.get(partner)).toBe(bundles.get(partner))
    first.put({ state: 'stale' })
    expect([count, source.state, source.svid]).toEqual([2, 'stale', null])
    second.put({ state: 'stale' })
    first.put({ state: 'ready' })
    expect(source.state).toBe('ready')
  })

  test('has JWT bundles in the same way, whatever X.509 bundles there are', () => {
    first.jwtBundles = BundleSet.of(jwtOf(own, 'a'))
    second.jwtBundles = BundleSet.of(jwtOf(own, 'b'), jwtOf(partner, 'c'))
    const source = withFallbackJwtBundles(first, second)
    expect(source.jwtBundles.get(own)?.find('a')).toBeDefined()
    expect(source.jwtBundles.get(own)?.find('b')).toBeUndefined()
    expect(source.jwtBundles.get(partner)?.find('c')).toBeDefined()
  })

  test('closes all of them, and ends with the first', async () => {
    const source = withFallbackBundles(first, second)
    expect(source.subscriptions).toBe(0)
    const elsewhere = withFallbackBundles(new HeldSource(), second)
    expect([source.subscriptions, elsewhere.subscriptions]).toEqual([1, 1])
    await source.close()
    expect([first.state, second.state]).toEqual(['closed', 'closed'])
    await expect(source.nextUpdate()).rejects.toMatchObject({ code: 'source-closed' })
    const ended = withFallbackBundles(first)
    await expect(ended.nextUpdate()).rejects.toMatchObject({ code: 'source-closed' })
    await elsewhere.close()
  })

  test('refuses what is not a source', () => {
    refuses('invalid-option', () => withFallbackBundles({} as never))
    refuses('invalid-option', () => withFallbackBundles(first, Promise.resolve(second) as never))
    refuses('invalid-option', () => withFallbackBundles(first, { bundles: [] } as never))
    refuses('invalid-option', () => withFallbackJwtBundles(first, null as never))
  })
})

describe('a conflict', () => {
  test('is published once, and again when one of the two bundles changes', () => {
    const expected = { kind: 'x509', trustDomain: 'own.test', used: 0, ignored: 1 }
    const events = conflictsIn(() => {
      withFallbackBundles(first, second)
      second.put({ state: 'stale' })
      second.put({ bundles: second.bundles.with(bundle(third, one)) })
      second.put({ bundles: second.bundles.with(bundle(own, one)) })
      second.put({ bundles: second.bundles.with(bundle(own, one, two)) })
    })
    expect(events).toEqual([expected, expected])
  })

  test('is between the bundle that counts and each later one', () => {
    const last = new HeldSource()
    last.bundles = BundleSet.of(bundle(own, two), bundle(partner, one))
    expect(conflictsIn(() => withFallbackBundles(first, second, last))).toEqual([
      { kind: 'x509', trustDomain: 'own.test', used: 0, ignored: 1 },
      { kind: 'x509', trustDomain: 'own.test', used: 0, ignored: 2 },
      { kind: 'x509', trustDomain: 'partner.test', used: 1, ignored: 2 },
    ])
  })

  test('is none between equal bundles, nor between JWT bundles of the same keys', () => {
    second.bundles = BundleSet.of(bundle(own, one))
    expect(conflictsIn(() => withFallbackBundles(first, second))).toEqual([])
    first.jwtBundles = BundleSet.of(jwtOf(own, 'a'))
    second.jwtBundles = BundleSet.of(jwtOf(own, 'a'))
    expect(conflictsIn(() => withFallbackJwtBundles(first, second))).toEqual([])
    second.jwtBundles = BundleSet.of(jwtOf(own, 'b'))
    expect(conflictsIn(() => withFallbackJwtBundles(first, second))).toEqual([
      { kind: 'jwt', trustDomain: 'own.test', used: 0, ignored: 1 },
    ])
  })
})
