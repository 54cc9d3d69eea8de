import { ChannelCredentials, credentials as newCredentials } from '@grpc/grpc-js'
import {
  readOption,
  asInteger,
  refuse,
  isLoopback,
  timeoutFor,
  checkEngineKeys,
  type EngineSettings,
} from '@fastify-spiffe/policy/engine-kit'
import type { Engine } from '@fastify-spiffe/policy'
import { CheckChannel } from './channel.ts'
import { decisionOf, requestOf } from './messages.ts'

/** Options of `extAuthz`. */
export interface ExtAuthzOptions extends EngineSettings {
  /** Where it listens, as gRPC writes it: `unix:/run/opa.sock`, `127.0.0.1:9191`, `pdp.example.org:9191`. */
  readonly target: string
  /** How the connection is secured. Required for another machine. Default on this machine: not secured. */
  readonly credentials?: ChannelCredentials
  /** The maximum length of an answer, in bytes. Default 65 536. */
  readonly maxResponseBytes?: number
}

const ENGINE = 'ext-authz'
const ADDRESS = /^(?:(?:dns|ipv4|ipv6):(?:\/\/\/)?)?(?<host>[\w.-]+|\[[\da-fA-F:.]+\]):\d{1,5}$/

/**
 * Calls a service that speaks Envoy's external authorization API, version 3, over gRPC, such as OPA with its Envoy plugin.
 * An answer that says OK, and nothing that contradicts it, allows. Changes that it would make to the request are ignored.
 *
 * Default `name` `ext-authz`, default `timeoutMs` 50 for a service on this machine, else 200.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function extAuthz(options: ExtAuthzOptions): Engine {
  checkEngineKeys(ENGINE, options, ['target', 'credentials', 'maxResponseBytes'])
  const { target, credentials, maxResponseBytes, ...settings } = options
  const isLocal = readTarget(target)
  const engine = `${ENGINE} at ${target}`
  const channel = new CheckChannel({
    engine,
    target,
    credentials: readCredentials(credentials, target, isLocal),
    maxResponseBytes: asInteger(`${ENGINE}.maxResponseBytes`, maxResponseBytes, 65_536, 1),
  })
  return {
    name: ENGINE,
    timeoutMs: timeoutFor(isLocal),
    ...settings,
    cost: 'io',
    decide: async (request, { signal }) =>
      decisionOf(engine, await channel.check(requestOf(request), signal)),
    close: () => channel.close(),
  }
}

/** Whether the target is on this machine. */
function readTarget(target: unknown): boolean {
  if (typeof target !== 'string') return refuse(`${ENGINE}.target`, target, 'must be a string')
  if (/^unix:.+/.test(target)) return true
  const host = ADDRESS.exec(target)?.groups?.['host']
  return host === undefined
    ? refuse(`${ENGINE}.target`, target, 'must be unix:/path, or host:port')
    : isLoopback(host)
}

function readCredentials(
  given: ChannelCredentials | undefined,
  target: string,
  isLocal: boolean,
): ChannelCredentials {
  if (given === undefined && !isLocal) {
    refuse(`${ENGINE}.credentials`, given, 'must be given for another machine')
  }
  const defaultValue = newCredentials.createInsecure()
  const why = 'must be ChannelCredentials of @grpc/grpc-js'
  return readOption(`${ENGINE}.credentials`, given, defaultValue, isCredentials, why)
}

function isCredentials(value: unknown): boolean {
  return value instanceof ChannelCredentials
}
