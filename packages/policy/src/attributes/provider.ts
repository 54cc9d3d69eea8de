import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { Call, Caller, CallValue } from '../call.ts'
import type { Tenant } from '../principals/tenant.ts'

/**
 * Brings a group of attributes that the call does not carry by itself, such as the claims of a token. Rules read them
 * by group and name: `jwt.scope`. Asked only for calls whose rule reads one, and once for each.
 *
 * @typeParam C - what the transport hands over for a call
 */
export interface AttributeProvider<C extends Call = Call> {
  /** Lower-case letters. */
  readonly group: string
  /** Finds the attributes of a call. A rejection refuses the call, and so does a missed deadline. */
  provide(call: C, caller: AttributeCaller): ProviderResult | Promise<ProviderResult>
  /** Called when the application closes. */
  close?(): void | Promise<void>
}

/** Who calls, proven, and what the call says. */
export interface AttributeCaller {
  readonly spiffeId: SpiffeId
  readonly tenant: Tenant | null
  /** SHA-256 of the caller's certificate, as `node:crypto` writes it; `null` where a token has proven who calls. */
  readonly fingerprint256: Caller['fingerprint256']
  /**
   * Reads an attribute that the call carries by itself: `attribute('headers', 'authorization')`. `undefined`: it carries
   * none; `null`: it carries several, or one that two readers could understand differently.
   */
  readonly attribute: (group: string, name: string) => CallValue
}

/** What a provider found. */
export type ProviderResult = ProvidedAttributes | RefusedAttributes

/** The attributes that a provider found for a call. */
export interface ProvidedAttributes {
  /**
   * The value of an attribute, by its name within the group; `undefined` for one that does not
   * exist.
   */
  readonly get: (name: string) => string | undefined
  /** When what was found ends, in milliseconds since the epoch: no decision by it lives longer. Default: never. */
  readonly notAfter?: number
}

/** What the caller sent is not valid: the request is refused with 401. */
export interface RefusedAttributes {
  readonly refused: true
  /**
   * Which rule was broken, for the log: lower-case letters and hyphens, and nothing that the caller
   * sent.
   */
  readonly code?: string
}
