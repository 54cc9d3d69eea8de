import { isIPv4, isIPv6 } from 'node:net'
import { describeValue } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError } from '../errors.ts'

/** The variable that names the endpoint when no address is given. */
export const ENDPOINT_VARIABLE = 'SPIFFE_ENDPOINT_SOCKET'

/** Where a Workload API is served. */
export interface EndpointAddress {
  /** The address as it was given. */
  readonly uri: string
  readonly transport: 'unix' | 'unix-abstract' | 'tcp'
  /** The same place in the notation of grpc-js. */
  readonly target: string
}

/** What `sockaddr_un.sun_path` holds on Linux, without its final NUL. */
const MAX_SOCKET_PATH_BYTES = 107

/**
 * Parses the address of a Workload API (SPIFFE_Workload_Endpoint §4).
 *
 * - `unix:///path/to/socket` or `unix:/path/to/socket`: an absolute path and nothing else.
 * - `tcp://127.0.0.1:8081` or `tcp://[::1]:8081`: an IP address and a port, nothing else. The
 *   connection is in plain text and carries private keys: use it on loopback only.
 * - `unix-abstract:name`: a socket in Linux' abstract namespace, in the notation of gRPC. The
 *   standard has no form for it, and calls `unix:@name` malformed.
 *
 * @throws {@link WorkloadApiError} `invalid-endpoint`
 */
export function parseEndpointAddress(address: string): EndpointAddress {
  if (typeof address !== 'string') {
    throw new WorkloadApiError(
      'invalid-endpoint',
      `an address must be a string (found: ${describeValue(address)})`,
    )
  }
  const [, scheme, rest] = /^([a-z][a-z0-9+.-]*):(.*)$/is.exec(address) ?? []
  if (scheme === undefined || rest === undefined) {
    throw invalid(address, 'it has no scheme; write unix:///path or tcp://ip:port')
  }
  switch (scheme.toLowerCase()) {
    case 'unix':
      return parseUnix(address, rest)
    case 'unix-abstract':
      return parseAbstract(address, rest)
    case 'tcp':
      return parseTcp(address, rest)
    default:
      throw invalid(address, 'its scheme is neither unix nor tcp')
  }
}

/**
 * Finds the address: the explicit one first, `SPIFFE_ENDPOINT_SOCKET` otherwise.
 * @throws {@link WorkloadApiError} `no-endpoint`, `invalid-endpoint`
 */
export function findEndpointAddress(
  explicit: string | undefined,
  environment: Readonly<Record<string, string | undefined>> = process.env,
): EndpointAddress {
  if (explicit !== undefined) return parseEndpointAddress(explicit)
  const fallback = environment[ENDPOINT_VARIABLE]
  // Workload Endpoint §4: without explicit configuration, the well-known variable is used.
  if (fallback !== undefined && fallback !== '') return parseEndpointAddress(fallback)
  throw new WorkloadApiError(
    'no-endpoint',
    `no address of a Workload API: give \`address\` or set ${ENDPOINT_VARIABLE}`,
  )
}

// Workload Endpoint §4: the authority is empty, the path is absolute, nothing else is there.
function parseUnix(uri: string, rest: string): EndpointAddress {
  const path = decode(uri, rest.startsWith('///') ? rest.slice(2) : rest)
  if (rest.startsWith('//') && !rest.startsWith('///')) {
    throw invalid(uri, 'a unix address has no host; write unix:///path')
  }
  if (!path.startsWith('/') || path === '/') {
    throw invalid(uri, 'a unix address needs the absolute path of a socket')
  }
  checkPathLength(uri, path)
  return Object.freeze({ uri, transport: 'unix', target: `unix://${path}` })
}

function parseAbstract(uri: string, rest: string): EndpointAddress {
  const name = decode(uri, rest)
  if (name === '' || name.startsWith('//')) {
    throw invalid(uri, 'a unix-abstract address is a scheme and a name: unix-abstract:name')
  }
  checkPathLength(uri, name)
  // grpc-js knows abstract sockets by the kernel's own notation only: a leading NUL byte.
  return Object.freeze({ uri, transport: 'unix-abstract', target: `unix:\0${name}` })
}

// Workload Endpoint §4: the host is an IP address, the port is mandatory, nothing else is there.
function parseTcp(uri: string, rest: string): EndpointAddress {
  const [, bracketed, plain, digits] =
    /^\/\/(?:\[([^\]]*)\]|([^/?#@:[\]]*)):([1-9][0-9]{0,4})$/.exec(rest) ?? []
  const port = Number(digits)
  if (digits === undefined || port > 65_535) {
    throw invalid(uri, 'a tcp address is an IP address and a port: tcp://127.0.0.1:8081')
  }
  if (plain !== undefined && isIPv4(plain)) {
    return Object.freeze({ uri, transport: 'tcp', target: `ipv4:${plain}:${port}` })
  }
  if (bracketed !== undefined && isIPv6(bracketed) && !bracketed.includes('%')) {
    return Object.freeze({ uri, transport: 'tcp', target: `ipv6:[${bracketed}]:${port}` })
  }
  throw invalid(uri, 'the host of a tcp address is an IP address, not a name')
}

/** The path of a URI without query and fragment, with its percent-encoding undone. */
function decode(uri: string, encoded: string): string {
  if (/[?#]/.test(encoded)) throw invalid(uri, 'a query or a fragment has no place in it')
  let path: string
  try {
    path = decodeURIComponent(encoded)
  } catch {
    throw invalid(uri, 'its percent-encoding is broken')
  }
  // oxlint-disable-next-line no-control-regex -- a NUL byte would name another, abstract socket
  if (/[\u0000-\u001f\u007f]/.test(path)) throw invalid(uri, 'it contains a control character')
  return path
}

function checkPathLength(uri: string, path: string): void {
  if (Buffer.byteLength(path) > MAX_SOCKET_PATH_BYTES) {
    throw invalid(uri, `a socket path has at most ${MAX_SOCKET_PATH_BYTES} bytes`)
  }
}

function invalid(address: string, why: string): WorkloadApiError {
  // It may hold a password in place of a host, or be something else entirely.
  const isAddress = /^(?:unix|unix-abstract|tcp):[\w.:/[\]-]{1,200}$/i.test(address)
  const shown = isAddress ? JSON.stringify(address) : 'what was given'
  return new WorkloadApiError(
    'invalid-endpoint',
    `${shown} is not an address of a Workload API: ${why}`,
  )
}
