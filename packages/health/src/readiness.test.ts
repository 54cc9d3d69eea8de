import { Authority } from '@fastify-spiffe/authority'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { type Findings, reportOf } from './readiness.ts'
import type { Supply } from './supply.ts'

const HOUR_MS = 3_600_000
let authority: Authority
let svid: X509Svid

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org', svidTtlMs: HOUR_MS })
  await using source = await authority.source('spiffe://example.org/orders')
  if (source.svid === null) throw new Error('the authority gave no SVID')
  svid = source.svid
})
afterAll(() => authority.close())

/** A service in its first minute, that lacks nothing unless a test says so. */
function findings(more: Partial<Findings> = {}, supply: Partial<Supply> = {}): Findings {
  const now = svid.notBefore + 60_000
  return {
    now,
    isListening: true,
    isEnding: false,
    maxInterruptionMs: Infinity,
    checks: [],
    ...more,
    supply: {
      state: 'ready',
      problem: null,
      svid,
      hasOwnBundle: true,
      bundleCount: 2,
      bundlesSince: now - 5,
      interruptedSince: null,
      ...supply,
    },
  }
}

describe('a service', () => {
  test('that lacks nothing is ready, and says until when', () => {
    const given = findings()
    expect(reportOf(given)).toEqual({
      status: 'ready',
      reasons: [],
      svid: {
        state: 'ready',
        notAfter: svid.notAfter,
        expiresInMs: svid.notAfter - given.now,
      },
      bundles: { count: 2, updatedAt: given.now - 5 },
    })
  })

  test.each<[string, Partial<Findings>, Partial<Supply>, object]>([
    ['that does not listen yet', { isListening: false }, {}, { code: 'not-listening' }],
    ['that ends', { isEnding: true, isListening: false }, {}, { code: 'ending' }],
    [
      'without an SVID',
      {},
      { svid: null, state: 'denied', problem: 'no-identity', interruptedSince: 7 },
      { code: 'no-svid', problem: 'no-identity' },
    ],
    ['without the bundle of its trust domain', {}, { hasOwnBundle: false }, { code: 'no-bundle' }],
    [
      'whose check failed',
      { checks: [{ code: 'check-failed', check: 'db' }] },
      {},
      { code: 'check-failed', check: 'db' },
    ],
  ])('%s is unready', (_title, more, supply, reason) => {
    expect(reportOf(findings(more, supply))).toMatchObject({ status: 'unready', reasons: [reason] })
  })

  test('is unready from the moment at which its SVID expires', () => {
    const { notAfter } = svid
    expect(reportOf(findings({ now: notAfter - 1 })).status).toBe('degraded')
    expect(reportOf(findings({ now: notAfter }))).toMatchObject({
      status: 'unready',
      reasons: [{ code: 'svid-expired', since: notAfter }],
      svid: { expiresInMs: 0 },
    })
    expect(reportOf(findings({ now: Number.NaN })).status).toBe('unready')
  })

  test('is degraded from two thirds of the life of its SVID on', () => {
    const { notBefore, notAfter } = svid
    const due = notBefore + ((notAfter - notBefore) * 2) / 3
    expect(reportOf(findings({ now: due - 1 })).status).toBe('ready')
    expect(reportOf(findings({ now: due }))).toMatchObject({
      status: 'degraded',
      reasons: [{ code: 'renewal-overdue', since: due }],
    })
  })

  test('whose supply is interrupted is degraded, and unready after maxInterruptionMs', () => {
    const { now } = findings()
    const cut = { state: 'stale', problem: 'unreachable', interruptedSince: now - 100 } as const
    expect(reportOf(findings({ maxInterruptionMs: 100 }, cut))).toMatchObject({
      status: 'degraded',
      reasons: [{ code: 'supply-interrupted', problem: 'unreachable', since: now - 100 }],
    })
    expect(reportOf(findings({ maxInterruptionMs: 99 }, cut))).toMatchObject({
      status: 'unready',
      reasons: [{ code: 'interrupted-too-long', problem: 'unreachable', since: now - 100 }],
    })
  })

  test('names what makes it unready before what does not', () => {
    const given = findings(
      { isListening: false, checks: [{ code: 'check-degraded', check: 'queue' }] },
      { state: 'stale', interruptedSince: 0, hasOwnBundle: false },
    )
    const codes = reportOf(given).reasons.map(({ code }) => code)
    expect(codes).toEqual(['not-listening', 'no-bundle', 'supply-interrupted', 'check-degraded'])
  })
})
