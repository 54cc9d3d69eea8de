import type { SetTimer } from '@fastify-spiffe/spiffe'
import type { CertIdHash } from './certificate/cert-id.ts'
import type { OcspReport } from './report.ts'
import type { StapleStore } from './store/staple-store.ts'
import type { OcspTransport } from './transport/transport.ts'

/** A number from 0 to 1, 1 excluded. */
export type Random = () => number

/** Whether requests have a nonce, and what becomes of answers without one. */
export type NonceMode = 'off' | 'sent' | 'required'

/** How answers are had. */
export interface FollowSettings {
  readonly certIdHash: CertIdHash
  readonly method: 'POST' | 'GET'
  readonly nonce: NonceMode
  readonly timeoutMs: number
  readonly retryMs: number
  readonly clockSkewMs: number
  readonly maxAgeMs: number
  readonly stapleRevoked: boolean
  readonly transport: OcspTransport
  /** `null`: nothing is stored. */
  readonly store: StapleStore | null
  readonly report: OcspReport
  readonly clock: () => number
  readonly setTimer: SetTimer
  readonly random: Random
}
