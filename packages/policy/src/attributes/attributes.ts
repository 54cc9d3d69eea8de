import type { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { PolicyError } from '../errors.ts'
import type { Tenant } from '../principals/tenant.ts'

/** What a condition can declare that it reads. */
export interface Attributes {
  /** The request's method. */
  readonly method: string
  /** The URL pattern of the route. */
  readonly route: string
  /** The host that the request is for, without a port. A request that names several is refused. */
  readonly host: string
  /**
   * The address of the client: that of the socket, or what a proxy of the option `trustedProxies` says of it. Absent where
   * such a proxy says nothing that can be trusted.
   */
  readonly ip: string | undefined
  /** The class of the option `networks` that the client's address is of; `other` when it is of none. */
  readonly network: string
  /** When the caller's SVID expires, in milliseconds since the epoch, as a decimal number. */
  readonly notAfter: string
  /** How the caller is proven: `x509-svid` or `jwt-svid`. */
  readonly proof: string
  /** The hour of the day in UTC, `00` to `23`. */
  readonly 'time.hour': string
  /** The day of the week in UTC: `Sun`, `Mon`, `Tue`, `Wed`, `Thu`, `Fri`, `Sat`. */
  readonly 'time.weekday': string
  readonly spiffeId: SpiffeId
  readonly trustDomain: TrustDomain
  /** The caller's tenant. A caller without one is refused before the check. */
  readonly tenant: Tenant
  /** A route parameter, decoded, as the router found it. */
  readonly [name: `params.${string}`]: string | undefined
  /** A header, by its lower-case name. */
  readonly [name: `headers.${string}`]: string | undefined
  /** A query parameter. A request that repeats it is refused before the check. */
  readonly [name: `query.${string}`]: string | undefined
  /** A claim of the caller's token; needs a provider of the group `jwt`. */
  readonly [name: `jwt.${string}`]: string | undefined
  /** What is known of the caller's device; needs a provider of the group `device`. */
  readonly [name: `device.${string}`]: string | undefined
  /** The workload that the call is made for; the caller where it acts for itself. Needs calls that carry a chain. */
  readonly 'chain.origin': string
  /** The trust domain of `chain.origin`. */
  readonly 'chain.originTrustDomain': string
  /** The SPIFFE IDs between the origin and the caller, in order, separated by spaces. */
  readonly 'chain.via': string
  /** How many workloads the call has come from, the caller included. */
  readonly 'chain.depth': string
  /** `signed` or `forwarded`; absent where the caller acts for itself. */
  readonly 'chain.evidence': string | undefined
  /** The DNS names of the caller's certificate, in lower case and sorted, separated by spaces; empty where it has none. A caller without a certificate is refused. */
  readonly 'subjectAltName.dns': string
  /** The IP addresses of the caller's certificate, as `subjectAltName.dns`. */
  readonly 'subjectAltName.ip': string
  /** What the pattern in `allow` captured. A caller whose pattern has no such capture is refused before the check. */
  readonly [name: `captures.${string}`]: string
}

/** The name of an attribute, such as `method` or `headers.x-device`. */
export type AttributeName = keyof Attributes

/** The value of one attribute. */
export type AttributeValue = string | SpiffeId | TrustDomain | Tenant | undefined

const NOTHING: object = Object.freeze(Object.create(null))

/** Stands behind every view: whatever is not the view's own was not declared. */
const UNDECLARED = new Proxy(NOTHING, {
  get: (_target, name) => undeclared(name),
  has: (_target, name) => undeclared(name) !== undefined,
})

function undeclared(name: string | symbol): undefined {
  // The language itself asks for symbols, and `JSON.stringify` for this.
  if (typeof name === 'symbol' || name === 'toJSON') return undefined
  throw new PolicyError(
    'undeclared-attribute',
    `the check reads "${name}", which \`reads\` does not declare`,
  )
}

/** What a check receives: exactly the declared attributes, read-only; the name of any other throws. */
export function attributesView(
  names: readonly { readonly name: string }[],
  values: readonly AttributeValue[],
): Attributes {
  const view: Attributes = Object.create(UNDECLARED)
  for (const [position, { name }] of names.entries()) {
    Object.defineProperty(view, name, { value: values[position], enumerable: true })
  }
  return Object.freeze(view)
}
