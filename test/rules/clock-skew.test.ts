import { mintRootCa, type CertificateTemplate, type MintedCa } from '@fastify-spiffe/authority'
import {
  BundleSet,
  MAX_CLOCK_SKEW_MS,
  RevocationList,
  verifyX509Svid,
  X509Bundle,
  type VerifyOptions,
} from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'

const WEB = 'spiffe://example.org/web'
const NOW = Date.parse('2001-02-03T04:05:06Z')
const HOUR_MS = 3_600_000
const SKEW_MS = 30_000
const always = { notBefore: NOW - HOUR_MS, notAfter: NOW + HOUR_MS }
const time = { clock: () => NOW }

let anchor: MintedCa

beforeAll(async () => {
  anchor = await mintRootCa('example.org', always, time)
})

/** A path whose leaf, intermediate or authority has these dates, and the others long ones. */
async function pathWith(where: string, dates: CertificateTemplate) {
  const long = { notBefore: NOW - HOUR_MS, notAfter: NOW + HOUR_MS }
  const root = where === 'authority' ? await mintRootCa('example.org', dates, time) : anchor
  const intermediate = await root.mintCa(where === 'intermediate' ? dates : long)
  const minted = await intermediate.mint(WEB, where === 'leaf' ? dates : long)
  const svid = minted.toX509Svid({ clock: () => 0 })
  const bundle = X509Bundle.of(root.trustDomain, [root.certificate])
  return { certificates: svid.certificates, bundle }
}

function codeAt(
  { certificates, bundle }: Awaited<ReturnType<typeof pathWith>>,
  now: number,
  options: VerifyOptions,
): string {
  const verification = verifyX509Svid(certificates, BundleSet.of(bundle), {
    clock: () => now,
    ...options,
  })
  return verification.ok ? 'accepted' : verification.code
}

describe.each(['leaf', 'intermediate', 'authority'])(
  'a tolerance for clocks at the %s',
  (where) => {
    test('lets in by so much earlier and longer, to the millisecond, and by default by nothing', async () => {
      const path = await pathWith(where, { notBefore: NOW, notAfter: NOW + 60_000 })
      const at = (now: number, clockSkewMs?: number): string =>
        codeAt(path, now, clockSkewMs === undefined ? {} : { clockSkewMs })
      expect(at(NOW - 1)).toBe('not-yet-valid')
      expect(at(NOW + 60_001)).toBe('expired')
      expect(at(NOW - SKEW_MS, SKEW_MS)).toBe('accepted')
      expect(at(NOW - SKEW_MS - 1, SKEW_MS)).toBe('not-yet-valid')
      expect(at(NOW + 60_000 + SKEW_MS, SKEW_MS)).toBe('accepted')
      expect(at(NOW + 60_001 + SKEW_MS, SKEW_MS)).toBe('expired')
    })
  },
)

test('the proof ends with the tolerance, and the certificate says what it says', async () => {
  const { certificates, bundle } = await pathWith('leaf', { ...always, notAfter: NOW + 60_000 })
  const options = { clock: () => NOW, clockSkewMs: SKEW_MS }
  const verification = verifyX509Svid(certificates, BundleSet.of(bundle), options)
  expect(verification).toMatchObject({
    ok: true,
    svid: { notAfter: NOW + 60_000, validUntil: NOW + 60_000 + SKEW_MS },
  })
})

test('a tolerance makes no revocation list last longer', async () => {
  const { certificates, bundle } = await pathWith('leaf', always)
  const [, intermediate, ca] = certificates
  expect([intermediate, ca]).toEqual([expect.anything(), undefined])
  const der = await anchor.mintRevocationList({
    revoked: [intermediate!.serialNumber],
    thisUpdate: NOW - HOUR_MS,
    nextUpdate: NOW,
  })
  const listed = bundle.withRevocationLists([RevocationList.fromDer(der)])
  const options = { clockSkewMs: SKEW_MS }
  expect(codeAt({ certificates, bundle: listed }, NOW, options)).toBe('revoked')
  expect(codeAt({ certificates, bundle: listed }, NOW + 1, options)).toBe('accepted')
  const strict = { ...options, revocation: 'strict' } as const
  expect(codeAt({ certificates, bundle: listed }, NOW + 1, strict)).toBe('revocation-unknown')
})

test('the largest tolerance is taken', async () => {
  const path = await pathWith('leaf', always)
  expect(codeAt(path, NOW, { clockSkewMs: MAX_CLOCK_SKEW_MS })).toBe('accepted')
})

test.each([-1, 0.5, Number.NaN, Infinity, MAX_CLOCK_SKEW_MS + 1, '1000', null])(
  'a tolerance of %p is an error',
  async (value) => {
    const path = await pathWith('leaf', always)
    const options = { clockSkewMs: value as number }
    expect(() => codeAt(path, NOW, options)).toThrow(
      expect.objectContaining({ name: 'SpiffeError', code: 'invalid-option' }),
    )
  },
)
