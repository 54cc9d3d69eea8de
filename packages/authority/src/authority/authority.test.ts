import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from '@jest/globals'
import {
  BundleSet,
  TrustDomain,
  verifyX509Svid,
  X509Bundle,
  type SetTimer,
} from '@fastify-spiffe/spiffe'
import { mintRootCa } from '../minting/mint-root-ca.ts'
import { Authority } from './authority.ts'
import { ManualTime, START } from './manual-time.test.helper.ts'
import type { AuthorityOptions } from './settings.ts'

const WEB = 'spiffe://example.org/web'
const MINUTE = 60_000

const opened: Authority[] = []

async function open(options: Partial<AuthorityOptions> = {}): Promise<Authority> {
  const authority = await Authority.create({ trustDomain: 'example.org', ...options })
  opened.push(authority)
  return authority
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((authority) => authority.close()))
})

function nextMessage(name: string): Promise<unknown> {
  return new Promise((resolve) => {
    const listener = (message: unknown): void => {
      unsubscribe(name, listener)
      resolve(message)
    }
    subscribe(name, listener)
  })
}

function states(authority: Authority): string[] {
  return authority.authorities.map(({ state }) => state)
}

function rejected(code: string): object {
  return expect.objectContaining({ code })
}

describe('an authority', () => {
  test('issues SVIDs that verify against its bundle', async () => {
    const authority = await open({ intermediates: 2 })
    const svid = await authority.issueX509Svid(WEB)
    const verification = verifyX509Svid(svid.certificates, BundleSet.of(authority.bundle))
    expect(svid.certificates).toHaveLength(3)
    expect(verification).toMatchObject({
      ok: true,
      svid: { anchor: authority.bundle.authorities[0] },
    })
  })

  test('gives SVIDs the lifetime and the key that its options name', async () => {
    const time = new ManualTime()
    const authority = await open({ svidTtlMs: 90_500, keyType: 'ec-p384', clock: time.clock })
    const { leaf } = await authority.issueX509Svid(WEB)
    expect(leaf.notAfter).toBe(START + 91_000)
    expect(leaf.x509.publicKey.asymmetricKeyDetails).toEqual({ namedCurve: 'secp384r1' })
  })

  test('lets no SVID outlive it', async () => {
    const authority = await open({ svidTtlMs: 10 * MINUTE, authorityTtlMs: MINUTE })
    const { notAfter } = await authority.issueX509Svid(WEB)
    expect(notAfter).toBe(authority.bundle.authorities[0]!.notAfter)
  })

  test('issues for its own trust domain, and mints for any', async () => {
    const authority = await open()
    await expect(authority.issueX509Svid('spiffe://b.test/web')).rejects.toEqual(
      rejected('foreign-spiffe-id'),
    )
    await expect(authority.issueX509Svid('web')).rejects.toEqual(rejected('invalid-spiffe-id'))
    const minted = await authority.mint('spiffe://b.test/web')
    expect(minted.toX509Svid().spiffeId.toString()).toBe('spiffe://b.test/web')
  })

  test('mints intermediates of any template', async () => {
    const authority = await open()
    const intermediate = await authority.mintCa({ pathLength: 0 })
    const minted = await (await intermediate.mintCa()).mint(WEB)
    const { certificates } = minted.toX509Svid()
    expect(verifyX509Svid(certificates, BundleSet.of(authority.bundle))).toMatchObject({
      ok: false,
      code: 'path-too-long',
    })
  })

  test('refuses an option that it does not know', async () => {
    const misspelt = { trustDomain: 'example.org', svidTtl: 5 }
    await expect(Authority.create(misspelt)).rejects.toEqual(rejected('unknown-option'))
  })

  const invalid: readonly Partial<AuthorityOptions>[] = [
    { svidTtlMs: 999 },
    { svidTtlMs: NaN },
    { svidTtlMs: Infinity },
    { authorityTtlMs: 1000 },
    { intermediates: -1 },
    { intermediates: 1.5 },
  ]

  test.each(invalid)('refuses %p', async (options) => {
    await expect(open(options)).rejects.toEqual(rejected('invalid-option'))
  })

  test('refuses production, unless an option says that it is meant', async () => {
    const before = process.env['NODE_ENV']
    process.env['NODE_ENV'] = 'production'
    try {
      await expect(open()).rejects.toEqual(rejected('not-for-production'))
      await expect(open({ allowProduction: true })).resolves.toBeInstanceOf(Authority)
    } finally {
      process.env['NODE_ENV'] = before
    }
  })

  test('shows no key in inspect or JSON, nor does its source', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    const shown = [authority, source].map(
      (thing) => inspect(thing, { depth: Infinity, showHidden: true }) + JSON.stringify(thing),
    )
    const secret = source.svid!.exportPrivateKeyPem().split('\n')[1]!
    expect(shown.join('')).not.toMatch(/PRIVATE KEY/)
    expect(shown.join('')).not.toContain(secret)
  })
})

describe('local authorities', () => {
  test('are prepared: in the bundle, and not signing', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    const [first] = authority.bundle.authorities
    const id = await authority.addAuthority()
    await authority.rotateSvids()
    expect(states(authority)).toEqual(['active', 'prepared'])
    expect(authority.bundle.authorities.map(({ fingerprint256 }) => fingerprint256)).toEqual([
      first!.fingerprint256,
      id,
    ])
    expect(source.bundles.get(authority.trustDomain)?.equals(authority.bundle)).toBe(true)
    expect(source.svid!.leaf.issuer.key).toBe(first!.subject.key)
  })

  test('are activated: what is issued from then on comes from the new one', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    const before = source.svid!
    await authority.addAuthority()
    await authority.activateAuthority()
    const [former, active] = authority.bundle.authorities
    expect(states(authority)).toEqual(['old', 'active'])
    expect(source.svid!.equals(before)).toBe(true)
    expect(before.leaf.issuer.key).toBe(former!.subject.key)
    await authority.rotateSvids()
    expect(source.svid!.leaf.issuer.key).toBe(active!.subject.key)
  })

  test('are removed: the bundle and the SVIDs change at the same moment', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    await authority.addAuthority()
    await authority.activateAuthority()
    const verdicts: boolean[] = []
    source.onUpdate(() =>
      verdicts.push(verifyX509Svid(source.svid!.certificates, source.bundles).ok),
    )
    const before = source.svid!
    await authority.removeAuthority()
    expect(states(authority)).toEqual(['active'])
    expect(verdicts).toEqual([true])
    expect(verifyX509Svid(before.certificates, source.bundles)).toMatchObject({ code: 'no-path' })
  })

  test('rotate: announced first, used then, with the old one kept', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    const seen: [authorities: number, issuer: number][] = []
    source.onUpdate(() => {
      const { authorities } = source.bundles.get(authority.trustDomain)!
      const { issuer } = source.svid!.leaf
      seen.push([
        authorities.length,
        authorities.findIndex(({ subject }) => subject.key === issuer.key),
      ])
    })
    await authority.rotateAuthority()
    expect(seen).toEqual([
      [2, 0],
      [2, 1],
    ])
    expect(states(authority)).toEqual(['old', 'active'])
  })

  test('have any template, an anchor that is not self-signed included', async () => {
    const authority = await open()
    const upstream = await mintRootCa('example.org')
    await authority.activateAuthority(await authority.addAuthority({ signedBy: upstream }))
    await authority.removeAuthority()
    const svid = await authority.issueX509Svid(WEB)
    const [anchor] = authority.bundle.authorities
    expect(anchor!.x509.verify(upstream.keyPair.publicKey)).toBe(true)
    expect(verifyX509Svid(svid.certificates, BundleSet.of(authority.bundle)).ok).toBe(true)
  })

  test('move only from prepared to active to old', async () => {
    const authority = await open()
    const { id } = authority.authorities[0]!
    await expect(authority.activateAuthority()).rejects.toEqual(rejected('unknown-authority'))
    await expect(authority.activateAuthority('00')).rejects.toEqual(rejected('unknown-authority'))
    await expect(authority.activateAuthority(id)).rejects.toEqual(
      rejected('authority-not-prepared'),
    )
    await expect(authority.removeAuthority(id)).rejects.toEqual(rejected('authority-active'))
    await expect(authority.removeAuthority()).rejects.toEqual(rejected('unknown-authority'))
    expect(states(authority)).toEqual(['active'])
  })

  test('change one after the other, however they are called', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    await Promise.all([
      authority.rotateAuthority(),
      authority.rotateAuthority(),
      authority.rotateSvids(),
      authority.rotateAuthority(),
    ])
    expect(states(authority).filter((state) => state === 'active')).toHaveLength(1)
    expect(authority.authorities).toHaveLength(4)
    expect(verifyX509Svid(source.svid!.certificates, source.bundles).ok).toBe(true)
  })
})

describe('an authority renews by itself', () => {
  test('SVIDs at half of their life, again and again', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options, svidTtlMs: 10 * MINUTE })
    const source = await authority.source(WEB)
    const first = source.svid!
    time.advance(5 * MINUTE - 1)
    expect(source.svid!.equals(first)).toBe(true)
    for (const round of [1, 2, 3]) {
      const renewed = source.nextUpdate()
      time.advance(round === 1 ? 1 : 5 * MINUTE)
      await renewed
      expect(source.svid!.notAfter).toBe(first.notAfter + round * 5 * MINUTE)
    }
  })

  test('but not an SVID whose template has times of its own', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options, svidTtlMs: 10 * MINUTE })
    const fixed = await authority.source(WEB, { template: { notAfter: START + 20 * MINUTE } })
    const source = await authority.source(WEB)
    const first = fixed.svid!
    const renewed = source.nextUpdate()
    time.advance(5 * MINUTE)
    await renewed
    expect(fixed.svid!.equals(first)).toBe(true)
  })

  test('local authorities: prepared at half, activated at five sixths, dropped in the end', async () => {
    const time = new ManualTime()
    // 10 s of back-dating included, a local authority lives for 60 minutes.
    const authority = await open({ ...time.options, authorityTtlMs: 60 * MINUTE - 10_000 })
    const renewal = async (ms: number): Promise<string[]> => {
      const renewed = authority.nextUpdate()
      time.advance(ms)
      await renewed
      return states(authority)
    }
    expect(await renewal(30 * MINUTE - 10_000)).toEqual(['active', 'prepared'])
    expect(await renewal(20 * MINUTE)).toEqual(['old', 'active'])
    expect(await renewal(10 * MINUTE + 1)).toEqual(['active', 'prepared'])
  })

  test('with a timer that is far away set for earlier, since a long one fires at once', async () => {
    const delays: number[] = []
    const setTimer: SetTimer = (_, delayMs) => {
      delays.push(delayMs)
      return () => {}
    }
    await open({ authorityTtlMs: 365 * 24 * 60 * MINUTE, setTimer })
    expect(delays).toEqual([2 ** 31 - 1])
  })

  test('and when that fails says so on a channel, keeps what it has, and tries again', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options, svidTtlMs: 10 * MINUTE })
    let reason: Error | null = null
    const chain = (certificates: readonly Buffer[]): readonly Buffer[] => {
      if (reason !== null) throw reason
      return certificates
    }
    const source = await authority.source(WEB, { template: { chain } })
    const { svid } = source
    reason = new Error('out of ink')
    const failed = nextMessage('spiffe:authority:renewal-failed')
    time.advance(5 * MINUTE)
    expect(await failed).toEqual({ trustDomain: 'example.org', error: reason })
    expect([source.state, source.svid]).toEqual(['ready', svid])
    reason = null
    const renewed = source.nextUpdate()
    time.advance(1000)
    await renewed
    expect(source.svid!.equals(svid!)).toBe(false)
  })
})

describe('federation', () => {
  test('gives every source the foreign bundle, and follows its changes', async () => {
    const [own, foreign] = [await open(), await open({ trustDomain: 'b.test' })]
    const source = await own.source(WEB)
    own.federate(foreign)
    expect(source.bundles.get(foreign.trustDomain)?.equals(foreign.bundle)).toBe(true)
    const changed = source.nextUpdate()
    await foreign.addAuthority()
    await changed
    expect(source.bundles.get(foreign.trustDomain)?.authorities).toHaveLength(2)
    expect(source.bundles.size).toBe(2)
  })

  test('goes one way', async () => {
    const [own, foreign] = [await open(), await open({ trustDomain: 'b.test' })]
    const source = await foreign.source('spiffe://b.test/web')
    own.federate(foreign)
    expect(source.bundles.size).toBe(1)
  })

  test('of two with each other stays quiet until a bundle changes', async () => {
    const [own, foreign] = [await open(), await open({ trustDomain: 'b.test' })]
    own.federate(foreign)
    foreign.federate(own)
    const source = await foreign.source('spiffe://b.test/web')
    let updates = 0
    source.onUpdate(() => (updates += 1))
    await own.rotateSvids()
    expect(updates).toBe(0)
    await own.addAuthority()
    expect(updates).toBe(1)
    expect(source.bundles.get(own.trustDomain)?.equals(own.bundle)).toBe(true)
  })

  test('ends: the bundle disappears, and its changes are not heard any more', async () => {
    const [own, foreign] = [await open(), await open({ trustDomain: 'b.test' })]
    own.federate(foreign)
    const source = await own.source(WEB)
    let updates = 0
    source.onUpdate(() => (updates += 1))
    own.unfederate(foreign)
    own.unfederate(foreign.trustDomain)
    await foreign.addAuthority()
    expect(source.bundles.get(foreign.trustDomain)).toBeUndefined()
    expect(updates).toBe(1)
  })

  test('takes a bundle that does not change, an empty one included', async () => {
    const own = await open()
    const source = await own.source(WEB)
    const domain = TrustDomain.parse('b.test')
    own.federate(X509Bundle.of(domain, []))
    expect(source.bundles.get(domain)?.authorities).toEqual([])
  })

  test('with oneself is refused', async () => {
    const own = await open()
    expect(() => own.federate(own)).toThrow(rejected('own-trust-domain'))
  })
})

describe('a source in process', () => {
  test('follows rotations', async () => {
    const authority = await open()
    const source = await authority.source(WEB, { hint: 'internal' })
    const before = source.svid!
    const changed = source.nextUpdate()
    await authority.rotateSvids()
    await changed
    expect(source.state).toBe('ready')
    expect(source.svid!.hint).toBe('internal')
    expect(source.svid!.spiffeId.equals(before.spiffeId)).toBe(true)
    expect(source.svid!.leaf.serialNumber).not.toBe(before.leaf.serialNumber)
  })

  test('is denied and allowed again', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    const seen: unknown[] = []
    source.onUpdate(() => seen.push([source.state, source.svid === null]))
    source.deny()
    source.allow()
    expect(seen).toEqual([
      ['denied', true],
      ['ready', false],
    ])
  })

  test('is interrupted: it serves what it has until that expires, and catches up', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options, svidTtlMs: 10 * MINUTE })
    const source = await authority.source(WEB)
    const before = source.svid!
    source.interrupt()
    await authority.rotateSvids()
    expect([source.state, source.svid]).toEqual(['stale', before])
    const expired = source.nextUpdate()
    time.advance(10 * MINUTE + 1)
    await expired
    expect([source.state, source.svid]).toEqual(['expired', null])
    await authority.rotateSvids()
    source.resume()
    expect(source.state).toBe('ready')
    expect(source.svid!.notAfter).toBeGreaterThan(before.notAfter)
  })

  test('keeps its last SVID when a template with times of its own has run out', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options })
    const source = await authority.source(WEB, { template: { notAfter: START + MINUTE } })
    time.advance(2 * MINUTE)
    await authority.addAuthority()
    await authority.rotateSvids()
    expect([source.state, source.svid]).toEqual(['expired', null])
    expect(source.bundles.get(authority.trustDomain)?.authorities).toHaveLength(2)
  })

  test('presents an SVID of its template when that becomes valid, and not before', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options })
    const source = await authority.source(WEB, { template: { notBefore: START + MINUTE } })
    expect([source.state, source.svid]).toEqual(['starting', null])
    const changed = source.nextUpdate()
    time.advance(MINUTE)
    await changed
    expect(source.state).toBe('ready')
    expect(source.svid!.notBefore).toBe(START + MINUTE)
    await source.close()
  })

  test('is not made from a template that is no SVID', async () => {
    const authority = await open()
    await expect(authority.source(WEB, { template: { ca: true } })).rejects.toEqual(
      rejected('invalid-svid'),
    )
    await expect(authority.source('spiffe://b.test/web')).rejects.toEqual(
      rejected('foreign-spiffe-id'),
    )
  })

  test('closes: waits end, and what was held stays readable', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    const wait = source.nextUpdate()
    await source.close()
    await source.close()
    await expect(wait).resolves.toBeUndefined()
    await expect(source.nextUpdate()).rejects.toEqual(rejected('source-closed'))
    expect(source.state).toBe('closed')
    expect(source.svid?.spiffeId.toString()).toBe(WEB)
  })
})

describe('a closed authority', () => {
  test('has closed its sources and has no timer left', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options })
    const source = await authority.source(WEB)
    expect(time.pending).toBe(1)
    await authority.close()
    await authority.close()
    expect(time.pending).toBe(0)
    expect(source.state).toBe('closed')
  })

  test('has closed what was still being made', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options })
    const making = authority.source(WEB)
    // The making has begun, and takes longer than this.
    await Promise.resolve()
    await authority.close()
    expect((await making).state).toBe('closed')
    expect(time.pending).toBe(0)
  })

  test('refuses every call', async () => {
    const authority = await open()
    await authority.close()
    const calls = [
      authority.mint(WEB),
      authority.mintCa(),
      authority.issueX509Svid(WEB),
      authority.source(WEB),
      authority.serve({ spiffeId: WEB }),
      authority.rotateSvids(),
      authority.rotateAuthority(),
    ]
    const outcomes = await Promise.allSettled(calls)
    expect(outcomes.map(({ status }) => status)).toEqual(calls.map(() => 'rejected'))
    expect(() => authority.federate(authority)).toThrow(rejected('closed'))
  })
})
