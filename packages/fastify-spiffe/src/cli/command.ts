import { parseArgs } from 'node:util'
import { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { parseDuration } from './duration.ts'
import { UsageError } from './usage.ts'

/** What `fastify-spiffe dev` is to do. */
export interface DevCommand {
  readonly name: 'dev'
  readonly trustDomain: TrustDomain
  readonly workloads: readonly SpiffeId[]
  /** `undefined`: a temporary folder. */
  readonly directory: string | undefined
  readonly svidTtlMs: number
}

export type Command = DevCommand | { readonly name: 'help' } | { readonly name: 'version' }

/**
 * Reads the arguments behind `fastify-spiffe`.
 * @throws {@link UsageError} which names what is wrong
 */
export const parseCommand = (args: readonly string[]): Command => {
  const { values, positionals } = parsed(args)
  if (values.help) return { name: 'help' }
  if (values.version) return { name: 'version' }
  const [name, ...rest] = positionals
  if (name !== 'dev')
    throw new UsageError(name === undefined ? 'no command' : `no command '${name}'`)
  if (rest.length > 0) throw new UsageError(`'dev' takes no argument '${rest.join(' ')}'`)
  const trustDomain = understood(() => TrustDomain.parse(values['trust-domain']))
  const workloads = values.workload.map((text) => understood(() => workloadId(trustDomain, text)))
  return {
    name,
    trustDomain,
    workloads: [...new Map(workloads.map((id) => [id.toString(), id])).values()],
    directory: values.directory,
    svidTtlMs: parseDuration(values['svid-ttl']),
  }
}

const parsed = (args: readonly string[]) =>
  understood(() =>
    parseArgs({
      args: [...args],
      allowPositionals: true,
      options: {
        'trust-domain': { type: 'string', default: 'example.org' },
        workload: { type: 'string', multiple: true, default: ['/acme/orders', '/acme/web'] },
        directory: { type: 'string' },
        'svid-ttl': { type: 'string', default: '1h' },
        help: { type: 'boolean', short: 'h', default: false },
        version: { type: 'boolean', short: 'v', default: false },
      },
    }),
  )

const workloadId = (trustDomain: TrustDomain, text: string): SpiffeId => {
  const id = SpiffeId.parse(text.startsWith('/') ? trustDomain.id.toString() + text : text)
  if (id.path === '') throw new UsageError(`a workload has a path: ${id.toString()} has none`)
  if (!id.trustDomain.equals(trustDomain)) {
    throw new UsageError(`${id.toString()} is not in the trust domain ${trustDomain.name}`)
  }
  return id
}

const understood = <T>(read: () => T): T => {
  try {
    return read()
  } catch (cause) {
    if (cause instanceof UsageError) throw cause
    throw new UsageError(cause instanceof Error ? cause.message : String(cause), { cause })
  }
}
