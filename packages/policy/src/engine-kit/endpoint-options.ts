import { Agent as HttpAgent, validateHeaderName, validateHeaderValue } from 'node:http'
import { readOption, asInteger, refuse } from '../option-readers.ts'
import { isLoopback } from './locality.ts'

/** How an engine that speaks HTTP is reached. */
export interface EndpointOptions {
  /** Where it is, such as `https://pdp.example.org:8443`; a path is put before that of the protocol. */
  readonly url: string | URL
  /**
   * The Unix socket that it listens on. The URL then says the `Host` and the path. Default: none, a
   * TCP connection.
   */
  readonly socketPath?: string
  /**
   * Makes and keeps the connections: for `https:` an agent that presents a client certificate, such as `SvidAgent` of
   * `@fastify-spiffe/tls`. It is not closed with the engine. Default: one of its own, which keeps connections alive.
   */
  readonly agent?: HttpAgent
  /** Sent with every request, such as `authorization`. Default: none. */
  readonly headers?: Readonly<Record<string, string>>
  /** Answers may be this long, in bytes. Default 65 536. */
  readonly maxResponseBytes?: number
  /**
   * `http:` to another machine, unencrypted and to any server that answers: for networks that
   * encrypt by themselves. Default `false`: `http:` is for this machine.
   */
  readonly allowPlaintext?: boolean
}

export const ENDPOINT_KEYS: readonly (keyof EndpointOptions)[] = [
  'url',
  'socketPath',
  'agent',
  'headers',
  'maxResponseBytes',
  'allowPlaintext',
]

export interface Endpoint {
  readonly url: URL
  /** Whether it is on this machine. */
  readonly isLocal: boolean
  readonly socketPath: string | undefined
  readonly agent: HttpAgent | undefined
  readonly headers: Readonly<Record<string, string>>
  readonly maxResponseBytes: number
}

/**
 * Returns the endpoint, and the options that are not about it.
 *
 * @throws {PolicyError} `invalid-option`
 */
export function readEndpoint<T extends EndpointOptions>(
  engine: string,
  options: T,
): readonly [Endpoint, Omit<T, keyof EndpointOptions>] {
  const { url, socketPath, agent, headers, maxResponseBytes, allowPlaintext, ...others } = options
  const given = { url, socketPath, agent, headers, maxResponseBytes, allowPlaintext }
  return [checkEndpoint(engine, given), others]
}

type Given = { readonly [Key in keyof EndpointOptions]-?: EndpointOptions[Key] | undefined }

function checkEndpoint(engine: string, given: Given): Endpoint {
  const key = (name: string): string => `${engine}.${name}`
  const { socketPath, agent, headers, allowPlaintext, maxResponseBytes } = given
  const url = readUrl(key('url'), given.url)
  readOption(key('socketPath'), socketPath, '', isText, 'must be a path')
  const isLocal = socketPath !== undefined || isLoopback(url.hostname)
  const mayBePlain = readOption(
    key('allowPlaintext'),
    allowPlaintext,
    false,
    isBoolean,
    'must be boolean',
  )
  if (url.protocol === 'http:' && !isLocal && !mayBePlain) {
    refuse(key('url'), given.url, 'is plain HTTP to another machine: use https:, or allowPlaintext')
  }
  if (agent !== undefined) assertAgent(key('agent'), agent, url.protocol)
  return {
    url,
    isLocal,
    socketPath,
    agent,
    headers: readOption(key('headers'), headers, {}, isHeaders, 'must be strings by header name'),
    maxResponseBytes: asInteger(key('maxResponseBytes'), maxResponseBytes, 65_536, 1),
  }
}

function readUrl(key: string, value: unknown): URL {
  const text = String(value)
  if (!URL.canParse(text)) return refuse(key, value, 'must be a URL')
  const url = new URL(text)
  if (!['http:', 'https:'].includes(url.protocol)) {
    return refuse(key, value, 'must begin with https: or http:')
  }
  if (url.username !== '' || url.password !== '') {
    return refuse(key, value, 'must not hold a password: use `headers`')
  }
  if (url.search !== '' || url.hash !== '') {
    return refuse(key, value, 'must have no query and no fragment')
  }
  return url
}

function assertAgent(key: string, agent: unknown, protocol: string): void {
  if (!(agent instanceof HttpAgent)) refuse(key, agent, 'must be an http.Agent')
  // Node checks this at each request: here it fails the boot instead.
  const ofAgent: unknown = Reflect.get(agent, 'protocol')
  if (ofAgent !== protocol) refuse(key, agent, `must speak ${protocol}, as the URL says`)
}

function isHeaders(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return false
  return Object.entries(value).every(isHeader)
}

/** Node checks this at each request as well: here it fails the boot instead. */
function isHeader([name, value]: readonly [string, unknown]): boolean {
  if (typeof value !== 'string') return false
  try {
    validateHeaderName(name)
    validateHeaderValue(name, value)
    return true
  } catch {
    return false
  }
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isBoolean(value: unknown): boolean {
  return typeof value === 'boolean'
}
