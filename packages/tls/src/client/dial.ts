import { isIP, type TcpNetConnectOpts } from 'node:net'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'
import { revocationPolicies } from '../options.ts'
import type { EndpointOptions } from './connect-options.ts'
import { clientContextOf, verifierOf } from './endpoint.ts'
import { connectFailure, superviseHandshake } from './handshake.ts'
import { proveServer } from './server-proof.ts'

const TIMEOUT_MS = 10_000

/** Where a connection goes, and what Node is to know of it besides. */
export interface Target
  extends
    Pick<ConnectionOptions, 'ALPNProtocols' | 'lookup' | 'servername' | 'timeout'>,
    SocketOptions {
  readonly host: string
  readonly port: number
}

export type SocketOptions = Pick<
  TcpNetConnectOpts,
  'family' | 'keepAlive' | 'keepAliveInitialDelay' | 'localAddress' | 'noDelay'
>

const presented = new WeakMap<TLSSocket, X509Svid>()

/** The own SVID that a connection of {@link dial} was made with. */
export const presentedSvidOf = (socket: TLSSocket): X509Svid | undefined => presented.get(socket)

/**
 * Begins a connection with the own SVID of this moment. Nothing that is written to the socket leaves it
 * before its server has proven one of the SPIFFE IDs that `endpoint.server` matches; a server that does
 * not gets it destroyed with the reason.
 *
 * @throws {@link TlsError} `no-svid`, `invalid-material` or `connect-failed`
 */
export const dial = (endpoint: EndpointOptions, target: Target): TLSSocket => {
  const {
    source,
    server,
    timeoutMs = TIMEOUT_MS,
    minVersion = 'TLSv1.3',
    clockSkewMs = 0,
    allowIntermediatesOfOtherTrustDomains = false,
    clock = Date.now,
  } = endpoint
  const svid = svidOf(source)
  const verifier = verifierOf(
    source,
    revocationPolicies(endpoint.revocation),
    clockSkewMs,
    allowIntermediatesOfOtherTrustDomains,
  )
  const { servername = target.host } = target
  const options = {
    ...target,
    // A context and not its PEMs: Node keeps the options on the socket.
    secureContext: clientContextOf(svid, minVersion),
    rejectUnauthorized: false,
    // RFC 6066 §3: literal IP addresses are not permitted. Node 26 throws.
    servername: isIP(servername) === 0 ? servername : '',
  }
  const socket = begin(options)
  presented.set(socket, svid)
  superviseHandshake(socket, {
    timeoutMs,
    prove: () => proveServer(socket, verifier, server, clock()),
  })
  return socket
}

const svidOf = (source: X509MaterialSource): X509Svid => {
  let svid: X509Svid | null
  try {
    svid = source.svid
  } catch (cause) {
    throw new TlsError('no-svid', 'the source threw instead of giving its SVID', { cause })
  }
  if (svid !== null) return svid
  throw new TlsError('no-svid', `the source has no SVID to present (state: ${source.state})`)
}

const begin = (options: ConnectionOptions & SocketOptions): TLSSocket => {
  try {
    const { localAddress } = options
    // Node throws too, and leaves a handle open each time.
    if (localAddress !== undefined && isIP(localAddress) === 0) {
      throw new TypeError('localAddress must be an IP address')
    }
    return tls.connect(options)
  } catch (cause) {
    throw connectFailure(cause)
  }
}
