import { X509Certificate } from 'node:crypto'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { BundleSet, RevocationList, X509Bundle } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { bundlesOf, HeldSource } from '../loopback.test.helper.ts'
import { revocationPolicies } from '../options.ts'
import {
  currentUntil,
  endTrust,
  isCurrent,
  lapseReasonOf,
  type ConnectionPeer,
} from './connection-peer.ts'
import { presentedChain } from './presented-chain.ts'
import { PeerVerifier } from './verifier.ts'

const WEB_ID = 'spiffe://example.org/acme/web'
const HOUR_MS = 3_600_000
// Long ago: the clock of the machine must have no say.
const NOW = Date.parse('2001-02-03T04:05:06Z')

function validUntil(notAfter: number) {
  return { notBefore: NOW - HOUR_MS, notAfter }
}

function anchorOf(notAfter = NOW + 24 * HOUR_MS, renewed?: MintedCa): Promise<MintedCa> {
  return mintRootCa(
    'example.org',
    {
      ...validUntil(notAfter),
      ...(renewed && { subject: renewed.subject, keyPair: renewed.keyPair }),
    },
    { clock: () => NOW },
  )
}

async function leafOf(ca: MintedCa): Promise<X509Certificate> {
  return new X509Certificate((await ca.mint(WEB_ID, validUntil(NOW + HOUR_MS))).chain[0]!)
}

function proven(verifier: PeerVerifier, leaf: X509Certificate): ConnectionPeer {
  const verdict = verifier.verify(leaf, NOW)
  if (!verdict.ok) throw new Error(verdict.message)
  return verdict.peer
}

let authority: MintedCa
let leaf: X509Certificate

beforeAll(async () => {
  authority = await anchorOf()
  leaf = await leafOf(authority)
})

describe('a verdict', () => {
  test('is given from memory as long as it holds, and then anew', () => {
    const source = new HeldSource(null, bundlesOf(authority))
    const verifier = new PeerVerifier(source, revocationPolicies('soft'), 10)
    const first = proven(verifier, leaf)
    expect(proven(verifier, leaf)).toBe(first)
    expect(verifier.hits).toBe(1)
    source.put({ bundles: BundleSet.empty })
    expect(verifier.verify(leaf, NOW)).toMatchObject({ ok: false, code: 'unknown-trust-domain' })
    source.put({ bundles: bundlesOf(authority) })
    const second = proven(verifier, leaf)
    expect(second).not.toBe(first)
    expect(isCurrent(second, NOW)).toBe(true)
    expect(isCurrent(first, NOW)).toBe(false)
    expect(verifier.hits).toBe(1)
  })

  test('is not forgotten for the many SVIDs of another trust domain', async () => {
    const partner = await mintRootCa('partner.test', validUntil(NOW + HOUR_MS), {
      clock: () => NOW,
    })
    const source = new HeldSource(null, bundlesOf(authority, partner))
    const verifier = new PeerVerifier(source, revocationPolicies('soft'), 4)
    const ours = [leaf, await leafOf(authority)].map(
      (each) => [each, proven(verifier, each)] as const,
    )
    for (let number = 0; number < 10; number++) {
      const id = `spiffe://partner.test/web-${number}`
      const { chain } = await partner.mint(id, validUntil(NOW + HOUR_MS))
      proven(verifier, new X509Certificate(chain[0]!))
    }
    for (const [each, peer] of ours) expect(proven(verifier, each)).toBe(peer)
    expect(verifier.hits).toBe(2)
  })
})

test('an intermediate of another trust domain is refused unless the verifier was told otherwise', async () => {
  const below = await authority.mintCa({
    ...validUntil(NOW + HOUR_MS),
    uris: ['spiffe://other.test'],
  })
  const { chain } = await below.mint(WEB_ID, validUntil(NOW + HOUR_MS))
  const certificates = chain.map((der) => new X509Certificate(der))
  const source = new HeldSource(null, bundlesOf(authority))
  const policies = revocationPolicies('soft')
  const verdictOf = (verifier: PeerVerifier) =>
    verifier.verifyChain(certificates[0]!.fingerprint256, () => certificates, NOW)
  expect(verdictOf(new PeerVerifier(source, policies, 10))).toMatchObject({
    ok: false,
    code: 'issuer-id-foreign',
  })
  expect(verdictOf(new PeerVerifier(source, policies, 10, 0, true))).toMatchObject({ ok: true })
})

test('a verdict that nobody asks for any more does not keep the bundles of its time', async () => {
  const source = new HeldSource(null, bundlesOf(authority))
  const verifier = new PeerVerifier(source, revocationPolicies('soft'), 10)
  const peer = proven(verifier, leaf)
  const before = new WeakRef(source.bundles)
  source.put({ bundles: bundlesOf(authority) })
  // One bundle set is kept for all verdicts: that of the last time that any of them was asked.
  proven(verifier, await leafOf(authority))
  setFlagsFromString('--expose-gc')
  const collectGarbage: () => void = runInNewContext('gc')
  // A weak reference holds until the end of the turn in which it was made or asked.
  await new Promise(setImmediate)
  collectGarbage()
  expect(before.deref()).toBeUndefined()
  // What is gone and what is not there are two things.
  source.put({ bundles: BundleSet.empty })
  expect(isCurrent(peer, NOW)).toBe(false)
})

describe('the proof of a peer', () => {
  test('outlives a renewal of its authority, by the clock that is asked with', async () => {
    const source = new HeldSource(null, bundlesOf(authority))
    const peer = proven(new PeerVerifier(source, revocationPolicies('soft'), 10), leaf)
    source.put({ bundles: bundlesOf(await anchorOf(NOW + 48 * HOUR_MS, authority)) })
    expect(isCurrent(peer, NOW)).toBe(true)
    expect(isCurrent(peer, peer.notAfter - 1)).toBe(true)
    expect(isCurrent(peer, peer.notAfter)).toBe(false)
  })

  test('does not come back with a renewal of the authority that was lost', async () => {
    const source = new HeldSource(null, bundlesOf(authority))
    const peer = proven(new PeerVerifier(source, revocationPolicies('soft'), 10), leaf)
    source.put({ bundles: BundleSet.empty })
    expect(isCurrent(peer, NOW)).toBe(false)
    source.put({ bundles: bundlesOf(await anchorOf(NOW + 48 * HOUR_MS, authority)) })
    expect(isCurrent(peer, NOW)).toBe(false)
    expect(currentUntil(peer)).toBe(-Infinity)
  })

  test('ends when it said at the handshake, though the authority is renewed for longer', async () => {
    const brief = await anchorOf(NOW + HOUR_MS / 2)
    const source = new HeldSource(null, bundlesOf(brief))
    const peer = proven(
      new PeerVerifier(source, revocationPolicies('soft'), 10),
      await leafOf(brief),
    )
    expect(peer.notAfter).toBe(NOW + HOUR_MS / 2)
    source.put({ bundles: bundlesOf(await anchorOf(NOW + 24 * HOUR_MS, brief)) })
    expect(isCurrent(peer, peer.notAfter - 1)).toBe(true)
    expect(currentUntil(peer)).toBe(peer.notAfter)
    expect(isCurrent(peer, peer.notAfter)).toBe(false)
  })

  test('cannot be copied: what this package did not make is never current', () => {
    const source = new HeldSource(null, bundlesOf(authority))
    const copy = { ...proven(new PeerVerifier(source, revocationPolicies('soft'), 10), leaf) }
    expect(isCurrent(copy, NOW)).toBe(false)
    expect(currentUntil(copy)).toBe(-Infinity)
    endTrust(copy)
    expect(lapseReasonOf(copy, NOW)).toBe('untrusted')
    expect(lapseReasonOf(copy, copy.notAfter)).toBe('expired')
  })

  test('stays what it is while its source cannot be read', () => {
    const source = new HeldSource(null, bundlesOf(authority))
    const peer = proven(new PeerVerifier(source, revocationPolicies('soft'), 10), leaf)
    Object.defineProperty(source, 'bundles', {
      get: () => {
        throw new Error('the bundles are out of order')
      },
    })
    expect(isCurrent(peer, NOW)).toBe(true)
    expect(isCurrent(peer, peer.notAfter)).toBe(false)
  })

  test('ends when one of several revocation lists names its certificate', async () => {
    const other = await anchorOf()
    const listOf = async (ca: MintedCa, ...revoked: string[]): Promise<RevocationList> => {
      const dates = { thisUpdate: NOW - HOUR_MS, nextUpdate: NOW + HOUR_MS }
      return RevocationList.fromDer(await ca.mintRevocationList({ ...dates, revoked }))
    }
    const authorities = [authority.certificate, other.certificate]
    const revoking = async (...serialNumbers: string[]): Promise<BundleSet> => {
      const lists = [await listOf(other), await listOf(authority, ...serialNumbers)]
      return BundleSet.of(X509Bundle.of(authority.trustDomain, authorities, lists))
    }
    const source = new HeldSource(null, await revoking())
    const peer = proven(new PeerVerifier(source, revocationPolicies('soft'), 10), leaf)
    source.put({ bundles: await revoking('0a') })
    expect(isCurrent(peer, NOW)).toBe(true)
    source.put({ bundles: await revoking(peer.serialNumber) })
    expect(isCurrent(peer, NOW)).toBe(false)
    expect(lapseReasonOf(peer, NOW)).toBe('revoked')
  })
})

describe('the chain that a peer sent', () => {
  test('is read no further than to see that it is too long', () => {
    const endless = new X509Certificate(leaf.raw)
    Object.defineProperty(endless, 'issuerCertificate', { value: endless })
    const source = new HeldSource(null, bundlesOf(authority))
    expect(presentedChain(endless)).toHaveLength(513)
    expect(
      new PeerVerifier(source, revocationPolicies('soft'), 10).verify(endless, NOW),
    ).toMatchObject({
      ok: false,
      code: 'too-many-certificates',
    })
  })
})
