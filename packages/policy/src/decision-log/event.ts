import { randomUUID } from 'node:crypto'
import type { ChainRecord } from './chain-record.ts'
import { type Decision, deny } from '../decision/decision.ts'

/** What is kept of a decision until it is written: what is cheap to keep. */
export interface DecisionRecord {
  readonly decision: Decision
  /** Milliseconds since the epoch. */
  readonly time: number
  readonly method: string
  readonly route: string | null
  readonly spiffeId: string | null
  readonly trustDomain: string | null
  readonly tenant: string | null
  /** `null`: a certificate, or nobody. */
  readonly proof: 'jwt-svid' | null
  /** `null`: the caller acts for itself. */
  readonly chain: ChainRecord | null
  readonly remoteAddress: string
  readonly requestId: string
  readonly policyVersion: string
  readonly mode: 'enforce' | 'shadow'
}

/** One decision, in the event format of OPA's decision logs, so that what reads those reads these. */
export interface DecisionLogEvent {
  readonly decision_id: string
  readonly labels: Readonly<Record<string, string>>
  /** The decision point; always the same. */
  readonly path: 'spiffe/authz/allow'
  readonly input: Readonly<Record<string, unknown>>
  readonly result: Readonly<Record<string, unknown>>
  readonly requested_by: string
  /** RFC 3339. */
  readonly timestamp: string
  readonly req_id: string
  readonly bundles: { readonly policy: { readonly revision: string } }
  /** The pointers of what was taken out. */
  readonly erased?: readonly string[]
}

/** Makes the event of a decision. */
export function eventOf(
  record: DecisionRecord,
  labels: Readonly<Record<string, string>>,
  mask: readonly string[],
): DecisionLogEvent {
  const { decision, time, mode } = record
  const { allowed, reason, cached, engine = null } = decision
  const detail = decision.allowed ? undefined : decision.detail
  const event = {
    decision_id: randomUUID(),
    // A copy: what is masked here is not masked everywhere.
    labels: { ...labels },
    path: 'spiffe/authz/allow',
    input: inputOf(record),
    result: {
      allow: allowed,
      reason,
      cached,
      engine,
      mode,
      ...(detail !== undefined && { detail }),
    },
    requested_by: record.remoteAddress,
    timestamp: new Date(time).toISOString(),
    req_id: record.requestId,
    bundles: { policy: { revision: record.policyVersion } },
  } as const
  const erased = mask.filter((pointer) => erase(event, pointer))
  return erased.length === 0 ? event : { ...event, erased }
}

/** Without the proof where it is a certificate, and without the chain where the caller acts for itself. */
function inputOf({ method, route, spiffeId, trustDomain, tenant, proof, chain }: DecisionRecord) {
  return {
    method,
    route,
    spiffe_id: spiffeId,
    trust_domain: trustDomain,
    tenant,
    ...(proof !== null && { proof }),
    ...chain,
  }
}

/** Whether a JSON Pointer names something that events have. */
export function isInEvents(pointer: string, labels: Readonly<Record<string, string>>): boolean {
  const { erased } = eventOf(SAMPLE, labels, [pointer])
  return erased !== undefined
}

const SAMPLE: DecisionRecord = {
  decision: deny('no-rule'),
  time: 0,
  method: '',
  route: null,
  spiffeId: null,
  trustDomain: null,
  tenant: null,
  proof: 'jwt-svid',
  chain: { origin: '', via: [], evidence: 'signed', chain_depth: 2 },
  remoteAddress: '',
  requestId: '',
  policyVersion: '',
  mode: 'enforce',
}

/** Takes out what a JSON Pointer names. Returns whether there was anything. */
function erase(event: object, pointer: string): boolean {
  const path = pointer
    .slice(1)
    .split('/')
    .map((key) => key.replaceAll('~1', '/').replaceAll('~0', '~'))
  const last = path.pop() ?? ''
  let holder: unknown = event
  for (const key of path) {
    if (!isHolder(holder, key)) return false
    holder = Reflect.get(holder, key)
  }
  return isHolder(holder, last) && Reflect.deleteProperty(holder, last)
}

function isHolder(holder: unknown, key: string): holder is object {
  return typeof holder === 'object' && holder !== null && Object.hasOwn(holder, key)
}
