import type { DegradedReason, HealthReason, HealthReport } from './report.ts'
import type { Supply } from './supply.ts'

/** What a report is made of, all at one time. */
export interface Findings {
  readonly now: number
  readonly isListening: boolean
  readonly isEnding: boolean
  readonly supply: Supply
  readonly maxInterruptionMs: number
  /** Of the application's own checks. */
  readonly checks: readonly HealthReason[]
}

/** Agents renew at half of the life of an SVID, helpers at two thirds at the latest. */
const RENEWED_BY = 2 / 3

const DEGRADED: ReadonlySet<string> = new Set<DegradedReason>([
  'supply-interrupted',
  'renewal-overdue',
  'check-degraded',
])

/** Says how a service is, from what was found. */
export function reportOf(findings: Findings): HealthReport {
  const { now, supply, checks } = findings
  const reasons = [
    ...ofService(findings),
    ...ofMaterial(findings),
    ...ofInterruption(findings),
    ...ofRenewal(findings),
    ...checks,
  ]
  const unready = reasons.filter(({ code }) => !DEGRADED.has(code))
  const degraded = reasons.filter(({ code }) => DEGRADED.has(code))
  const notAfter = supply.svid?.notAfter ?? null
  return {
    status: unready.length > 0 ? 'unready' : degraded.length > 0 ? 'degraded' : 'ready',
    reasons: [...unready, ...degraded],
    svid: {
      state: supply.state,
      notAfter,
      expiresInMs: notAfter === null ? null : Math.max(0, notAfter - now),
    },
    bundles: { count: supply.bundleCount, updatedAt: supply.bundlesSince },
  }
}

function ofService({ isListening, isEnding }: Findings): readonly HealthReason[] {
  if (isEnding) return [{ code: 'ending' }]
  return isListening ? [] : [{ code: 'not-listening' }]
}

function ofMaterial({ now, supply }: Findings): readonly HealthReason[] {
  const { svid, hasOwnBundle } = supply
  if (svid === null) return [{ code: 'no-svid', ...problemOf(supply) }]
  const { notAfter } = svid
  // Written so that a clock which gives NaN says that it has.
  if (!(now < notAfter)) return [{ code: 'svid-expired', ...problemOf(supply), since: notAfter }]
  return hasOwnBundle ? [] : [{ code: 'no-bundle', ...problemOf(supply) }]
}

function ofInterruption({ now, supply, maxInterruptionMs }: Findings): readonly HealthReason[] {
  const { svid, interruptedSince: since } = supply
  // Without an SVID that is the reason, and this its cause.
  if (svid === null || since === null) return []
  const isTooLong = now - since > maxInterruptionMs
  const code = isTooLong ? 'interrupted-too-long' : 'supply-interrupted'
  return [{ code, ...problemOf(supply), since }]
}

function ofRenewal({ now, supply: { svid } }: Findings): readonly HealthReason[] {
  if (svid === null) return []
  const { notBefore, notAfter } = svid
  const due = notBefore + (notAfter - notBefore) * RENEWED_BY
  return now >= due && now < notAfter ? [{ code: 'renewal-overdue', since: due }] : []
}

function problemOf({ problem }: Supply): { readonly problem?: string } {
  return problem === null ? {} : { problem }
}
