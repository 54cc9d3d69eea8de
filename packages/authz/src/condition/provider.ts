import type { SpiffeId } from '@fastify-spiffe/spiffe'
import type { FastifyRequest } from 'fastify'
import type { Tenant } from '../tenant/tenant.ts'

/**
 * Brings a group of attributes that the request does not carry by itself, such as the claims of a token. Rules read them
 * by group and name: `jwt.scope`. Asked only for requests whose rule reads one, and once for each.
 */
export interface AttributeProvider {
  /** Lower-case letters. */
  readonly group: string
  /** Finds the attributes of a request. A rejection refuses the request, and so does a missed deadline. */
  provide(request: FastifyRequest, caller: AttributeCaller): Provision | Promise<Provision>
  /** Called when the application closes. */
  close?(): void | Promise<void>
}

/** Who calls, proven. */
export interface AttributeCaller {
  readonly spiffeId: SpiffeId
  readonly tenant: Tenant | null
}

/** What a provider found. */
export type Provision = ProvidedAttributes | RefusedAttributes

export interface ProvidedAttributes {
  /** The value of an attribute, by its name within the group; `undefined` for one that there is not. */
  readonly get: (name: string) => string | undefined
  /** When what was found ends, in milliseconds since the epoch: no decision by it lives longer. Default: never. */
  readonly notAfter?: number
}

/** What the caller brought is not valid: the request is refused with 401. */
export interface RefusedAttributes {
  readonly refused: true
  /** Which rule was broken, for the log: lower-case letters and hyphens, and nothing of what the caller brought. */
  readonly code?: string
}
