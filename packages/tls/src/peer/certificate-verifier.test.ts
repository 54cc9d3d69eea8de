import { hash } from 'node:crypto'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { BundleSet, Certificate, RevocationList, X509Bundle } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { bundlesOf, HeldSource } from '../loopback.test.helper.ts'
import { CertificateVerifier, VerifiedCertificate } from './certificate-verifier.ts'

const ID = 'spiffe://example.org/acme/web'
const NOW = Date.parse('2001-02-03T04:05:06Z')
const HOUR_MS = 3_600_000
const validity = { notBefore: NOW - HOUR_MS, notAfter: NOW + HOUR_MS }

let root: MintedCa
let intermediate: MintedCa

beforeAll(async () => {
  root = await mintRootCa('example.org', validity, { clock: () => NOW })
  intermediate = await root.mintCa(validity)
})

function thumbprintOf([leaf]: readonly Certificate[]): string {
  return hash('sha256', leaf!.raw, 'base64url')
}

async function chainOf(ca: MintedCa, id = ID): Promise<readonly Certificate[]> {
  const { chain } = await ca.mint(id, validity)
  return chain.map((der) => Certificate.fromDer(der))
}

function accepted(verifier: CertificateVerifier, chain: readonly Certificate[]) {
  const verdict = verifier.verify(thumbprintOf(chain), chain, NOW)
  if (!verdict.ok) throw new Error(verdict.message)
  return verdict
}

function fails(): never {
  throw new Error('gone')
}

describe('a verifier of certificates without a connection', () => {
  test('accepts a chain of the bundle, and keeps its path without the authority and without what else was sent', async () => {
    const source = new HeldSource(null, bundlesOf(root))
    const verifier = new CertificateVerifier({ source })
    const chain = await chainOf(intermediate)
    const [stranger] = await chainOf(root, 'spiffe://example.org/other')
    const verdict = accepted(verifier, [chain[0]!, stranger!, chain[1]!])
    expect(verdict).toBeInstanceOf(VerifiedCertificate)
    expect(verdict.spiffeId.toString()).toBe(ID)
    expect(verdict.path).toEqual([chain[0]!.raw, chain[1]!.raw])
    expect(verdict.currentUntil).toBe(Math.min(chain[0]!.notAfter, chain[1]!.notAfter))
    expect(Object.isFrozen(verdict)).toBe(true)
    expect(verifier.find(thumbprintOf(chain), NOW)).toBe(verdict)
    expect(verifier.find(thumbprintOf([stranger!]), NOW)).toBeUndefined()
  })

  test('asks the bundles again at each use, and does not trust again what was lost', async () => {
    const source = new HeldSource(null, bundlesOf(root))
    const verifier = new CertificateVerifier({ source })
    const chain = await chainOf(intermediate)
    const verdict = accepted(verifier, chain)
    source.put({ bundles: BundleSet.empty })
    expect(verdict.isCurrent(NOW)).toBe(false)
    expect(verifier.find(thumbprintOf(chain), NOW)).toBeUndefined()
    expect(verifier.verify(thumbprintOf(chain), chain, NOW)).toMatchObject({
      ok: false,
      code: 'unknown-trust-domain',
    })
    source.put({ bundles: bundlesOf(root) })
    expect(verdict.isCurrent(NOW)).toBe(false)
    expect(accepted(verifier, chain).isCurrent(NOW)).toBe(true)
  })

  test('ends a verdict when a certificate on its path expires', async () => {
    const verifier = new CertificateVerifier({ source: new HeldSource(null, bundlesOf(root)) })
    const verdict = accepted(verifier, await chainOf(root))
    expect(verdict.isCurrent(verdict.currentUntil - 1)).toBe(true)
    expect(verdict.isCurrent(verdict.currentUntil)).toBe(false)
    expect(verdict.isCurrent(NOW)).toBe(false)
  })

  test('holds a verdict against the last bundles that its source had, while that fails', async () => {
    const source = new HeldSource(null, bundlesOf(root))
    const verifier = new CertificateVerifier({ source })
    const [one, other] = [
      accepted(verifier, await chainOf(root)),
      accepted(verifier, await chainOf(root)),
    ]
    source.put({ bundles: BundleSet.empty })
    expect(one.isCurrent(NOW)).toBe(false)
    Object.defineProperty(source, 'bundles', { get: fails })
    expect(other.isCurrent(NOW)).toBe(false)
  })

  test('ends a verdict later by the tolerance for clocks', async () => {
    const source = new HeldSource(null, bundlesOf(root))
    const verifier = new CertificateVerifier({ source, clockSkewMs: 60_000 })
    const chain = await chainOf(root)
    const verdict = accepted(verifier, chain)
    const end = chain[0]!.notAfter + 60_000
    expect(verdict.currentUntil).toBe(end)
    expect(verdict.isCurrent(end - 1)).toBe(true)
    expect(verdict.isCurrent(end)).toBe(false)
  })

  test.each([
    ['soft', false],
    ['off', true],
  ] as const)(
    'heeds a revocation list that comes later, if it heeds any: %s',
    async (revocation, isCurrent) => {
      const source = new HeldSource(null, bundlesOf(root))
      const verifier = new CertificateVerifier({ source, revocation: { default: revocation } })
      const chain = await chainOf(root)
      const verdict = accepted(verifier, chain)
      const list = await root.mintRevocationList({
        revoked: [chain[0]!.serialNumber],
        thisUpdate: NOW - HOUR_MS,
        nextUpdate: NOW + HOUR_MS,
      })
      const lists = [RevocationList.fromDer(list)]
      const bundle = X509Bundle.of(root.trustDomain, [root.certificate], lists)
      source.put({ bundles: BundleSet.of(bundle) })
      expect(verdict.isCurrent(NOW)).toBe(isCurrent)
    },
  )

  test('gives up a chain that takes more signature checks than it may', async () => {
    const source = new HeldSource(null, bundlesOf(root))
    const verifier = new CertificateVerifier({ source, maxSignatureChecks: 1 })
    const chain = await chainOf(intermediate)
    expect(verifier.verify(thumbprintOf(chain), chain, NOW)).toMatchObject({
      code: 'budget-exceeded',
    })
  })

  test('keeps no more verdicts than it may', async () => {
    const source = new HeldSource(null, bundlesOf(root))
    const verifier = new CertificateVerifier({ source, maxCachedVerdicts: 2 })
    const chains = [await chainOf(root), await chainOf(root), await chainOf(root)]
    for (const chain of chains) accepted(verifier, chain)
    const kept = chains.filter((chain) => verifier.find(thumbprintOf(chain), NOW) !== undefined)
    expect(kept).toEqual(chains.slice(1))
  })

  test.each([
    ['unknown-option', { maxVerdicts: 1 }],
    ['invalid-option', { maxCachedVerdicts: 0 }],
    ['invalid-option', { maxSignatureChecks: 401 }],
    ['invalid-option', { clockSkewMs: -1 }],
    ['invalid-option', { source: null }],
  ])('is refused with the code %s when made with %j', (code, options) => {
    const source = new HeldSource(null, BundleSet.empty)
    expect(() => new CertificateVerifier({ source, ...options } as never)).toThrow(
      expect.objectContaining({ code }),
    )
  })
})
