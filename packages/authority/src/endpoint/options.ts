import type { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { readIdentity, type IdentityOptions } from '../workload/identity.ts'
import type { Identity } from '../workload/workload.ts'
import { AuthorityError } from '../errors.ts'
import type { SvidTemplate } from '../minting/template.ts'
import { reader } from '../options.ts'

/** Options of `Authority.serve`: one identity by `spiffeId`, or any number by `identities`. */
export interface WorkloadEndpointOptions {
  /** The identity of the workload. Default: those of `identities`. */
  readonly spiffeId?: SpiffeId | string
  /** With `spiffeId`: its hint. Default: none. */
  readonly hint?: string
  /** With `spiffeId`: how its SVIDs differ from good ones. Default: they do not differ. */
  readonly template?: SvidTemplate
  /** The identities of the workload, the default one first. None: calls are refused. */
  readonly identities?: readonly IdentityOptions[]
  /**
   * The absolute path of the Unix socket, at most 107 bytes. Its directory must exist. Default: in a
   * new directory that only this user can enter, and which goes when the endpoint closes.
   */
  readonly socketPath?: string
  /**
   * Serves on this port of 127.0.0.1 instead, 0 for a free one. **Every process of the machine can
   * then fetch the private key.** Default: a Unix socket.
   */
  readonly tcpPort?: number
}

/** Where an endpoint listens. */
export type ListenAddress = { readonly socketPath: string | undefined } | { readonly port: number }

const OPTIONS = ['spiffeId', 'hint', 'template', 'identities', 'socketPath', 'tcpPort']

/**
 * @throws {@link AuthorityError} `unknown-option`, `invalid-option`, `foreign-spiffe-id`
 * @throws {@link SpiffeError} `invalid-spiffe-id`
 */
export function readEndpointOptions(
  trustDomain: TrustDomain,
  options: WorkloadEndpointOptions,
): { readonly identities: readonly Identity[]; readonly place: ListenAddress } {
  reader.assertKnown('an endpoint', options, OPTIONS)
  return {
    identities: identityOptions(options).map((identity) => readIdentity(trustDomain, identity)),
    place: readPlace(options),
  }
}

function identityOptions(options: WorkloadEndpointOptions): readonly IdentityOptions[] {
  const { spiffeId, hint, template, identities } = options
  if ((spiffeId === undefined) === (identities === undefined)) {
    throw new AuthorityError('invalid-option', 'an endpoint needs either spiffeId or identities')
  }
  if (spiffeId === undefined && (hint !== undefined || template !== undefined)) {
    throw new AuthorityError('invalid-option', 'hint and template belong to spiffeId')
  }
  if (spiffeId === undefined) return identities ?? []
  return [
    {
      spiffeId,
      ...(hint === undefined ? {} : { hint }),
      ...(template === undefined ? {} : { template }),
    },
  ]
}

function readPlace({ socketPath, tcpPort }: WorkloadEndpointOptions): ListenAddress {
  if (tcpPort === undefined) return { socketPath }
  if (socketPath !== undefined) {
    throw new AuthorityError('invalid-option', 'an endpoint has either socketPath or tcpPort')
  }
  return { port: reader.asInteger('tcpPort', tcpPort, { min: 0, max: 65_535 }) }
}
