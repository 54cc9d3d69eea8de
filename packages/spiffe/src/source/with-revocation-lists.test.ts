import { beforeEach, describe, expect, test } from '@jest/globals'
import { TrustDomain } from '../id/spiffe-id.ts'
import { BundleSet } from '../bundle/bundle-set.ts'
import { X509Bundle } from '../x509/bundle.ts'
import { RevocationList } from '../x509/revocation-list.ts'
import { forgeList } from '../x509/revocation-list.test.support.ts'
import { newKeyPair, refuses } from '../x509/x509.test.support.ts'
import type { SourceState, WaitOptions, X509MaterialSource } from './source.ts'
import { Updates } from './updates.ts'
import { withRevocationLists } from './with-revocation-lists.ts'

const keys = newKeyPair()
const listOf = (...revoked: string[]): RevocationList =>
  RevocationList.fromDer(forgeList({ keys, revoked }))

const example = TrustDomain.parse('example.org')
const other = TrustDomain.parse('other.test')
const [supplied, added, later] = [listOf('01'), listOf('02'), listOf('03')]

/** A source that holds what the test puts in. */
class HeldSource implements X509MaterialSource {
  readonly #updates = new Updates()
  readonly svid = null
  state: SourceState = 'ready'
  bundles = BundleSet.of(X509Bundle.of(example, [], [supplied]), X509Bundle.of(other, []))

  put(change: { bundles?: BundleSet; state?: SourceState }): void {
    Object.assign(this, change)
    this.#updates.notify()
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

let held: HeldSource

beforeEach(() => {
  held = new HeldSource()
})

const listsIn = (bundles: BundleSet, trustDomain = example): readonly RevocationList[] =>
  bundles.get(trustDomain)?.revocationLists ?? []

describe('a source with revocation lists', () => {
  test('adds them to those of the bundle of their trust domain', () => {
    const source = withRevocationLists(held, new Map([['example.org', [added]]]))
    expect(listsIn(source.bundles)).toEqual([supplied, added])
    expect(source.bundles.get(other)).toBe(held.bundles.get(other))
    expect([source.svid, source.state]).toEqual([null, 'ready'])
    expect(listsIn(held.bundles)).toEqual([supplied])
  })

  test('has the same bundles as long as nothing changes', () => {
    const source = withRevocationLists(held, new Map([['example.org', [added]]]))
    const { bundles } = source
    expect(source.bundles).toBe(bundles)
    held.put({ bundles: held.bundles.without(other) })
    expect(source.bundles).not.toBe(bundles)
    expect(source.bundles.get(example)).toBe(bundles.get(example))
  })

  test('takes new ones in the place of those that were given, and says so', async () => {
    const source = withRevocationLists(held, new Map([['example.org', [added]]]))
    const before = source.bundles
    const updated = source.nextUpdate()
    const lists = new Map([['other.test', [later]]])
    source.setRevocationLists(lists)
    await updated
    lists.clear()
    expect(listsIn(source.bundles)).toEqual([supplied])
    expect(listsIn(source.bundles, other)).toEqual([later])
    expect(source.bundles.equals(before)).toBe(false)
  })

  test('keeps all of a trust domain that is named in two ways', () => {
    const lists = new Map([
      ['example.org', [added]],
      ['spiffe://example.org', [later]],
    ])
    expect(listsIn(withRevocationLists(held, lists).bundles)).toEqual([supplied, added, later])
  })

  test('of a source that is closed already lets nobody wait', async () => {
    await held.close()
    const source = withRevocationLists(held)
    await expect(source.nextUpdate()).rejects.toMatchObject({ code: 'source-closed' })
  })

  test('keeps those of a trust domain that has no bundle yet', () => {
    const source = withRevocationLists(held, new Map([['third.test', [added]]]))
    const third = TrustDomain.parse('third.test')
    expect(source.bundles.get(third)).toBeUndefined()
    held.put({ bundles: held.bundles.with(X509Bundle.of(third, [])) })
    expect(listsIn(source.bundles, third)).toEqual([added])
  })

  test('passes on the updates of the source, in turn', () => {
    const source = withRevocationLists(held)
    let count = 0
    const end = source.onUpdate(() => (count += 1))
    held.put({ state: 'stale' })
    expect([count, source.state]).toEqual([1, 'stale'])
    end()
    held.put({ state: 'ready' })
    expect(count).toBe(1)
  })

  test.each(['it is closed', 'the source is closed'])('ends its waits when %s', async (which) => {
    const source = withRevocationLists(held)
    let states: SourceState[] = []
    source.onUpdate(() => (states = [...states, source.state]))
    const wait = source.nextUpdate().then(() => source.nextUpdate())
    await (which === 'it is closed' ? source.close() : held.close())
    await expect(wait).rejects.toMatchObject({ code: 'source-closed' })
    expect(states).toEqual(['closed'])
    expect(held.state).toBe('closed')
    expect(listsIn(source.bundles)).toEqual([supplied])
  })

  test('refuses a name that is no trust domain, and keeps what it has', () => {
    const bad = new Map([['Example.org', [added]]])
    refuses('invalid-trust-domain', () => withRevocationLists(held, bad))
    const source = withRevocationLists(held, new Map([['example.org', [added]]]))
    refuses('invalid-trust-domain', () => source.setRevocationLists(bad))
    expect(listsIn(source.bundles)).toEqual([supplied, added])
  })
})
