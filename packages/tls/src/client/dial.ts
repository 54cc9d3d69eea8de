import { isIP, type TcpNetConnectOpts } from 'node:net'
import tls, { type ConnectionOptions, type TLSSocket } from 'node:tls'
import type { SpiffeIdMatcher, X509MaterialSource, X509Svid } from '@fastify-spiffe/spiffe'
import { TlsError } from '../errors.ts'
import { revocationPolicies } from '../options.ts'
import type { Connector } from './connect-options.ts'
import { spiffeContexts, verifierOf } from './connector-cache.ts'
import { connectFailure, superviseHandshake } from './handshake.ts'
import { proveServer, proveWebServer } from './server-proof.ts'
import { WebPki } from './web-pki.ts'

const TIMEOUT_MS = 10_000

/** Where to connect, with options for Node's socket. */
export interface ConnectionTarget
  extends
    Pick<ConnectionOptions, 'ALPNProtocols' | 'lookup' | 'servername' | 'socket' | 'timeout'>,
    SocketOptions {
  readonly host: string
  readonly port: number
}

export type SocketOptions = Pick<
  TcpNetConnectOpts,
  'family' | 'keepAlive' | 'keepAliveInitialDelay' | 'localAddress' | 'noDelay'
>

const presentedSvids = new WeakMap<TLSSocket, X509Svid>()

/** Returns the own SVID that a connection of {@link dial} presents. */
export function presentedSvidOf(socket: TLSSocket): X509Svid | undefined {
  return presentedSvids.get(socket)
}

/**
 * Starts a connection with the current SVID of the source. Nothing that is written to the socket is sent
 * before the server has proven a SPIFFE ID which `connector.server` matches, or its name to the Web PKI;
 * otherwise the socket is destroyed with the reason.
 *
 * @throws {@link TlsError} `no-svid`, `invalid-material` or `connect-failed`
 */
export function dial(connector: Connector, target: ConnectionTarget): TLSSocket {
  const { source, server, timeoutMs = TIMEOUT_MS, minVersion = 'TLSv1.3' } = connector
  const svid = connector.clientCertificate === 'none' ? null : svidOf(source)
  const isWeb = server instanceof WebPki
  const contexts = isWeb ? server.contexts : spiffeContexts
  const { servername = target.host } = target
  const options = {
    ...target,
    // A context instead of its PEMs, because Node keeps the options on the socket.
    secureContext: contexts.of(svid, minVersion),
    rejectUnauthorized: isWeb,
    requestOCSP: isWeb && server.verifyStaple !== undefined,
    // RFC 6066 §3: IP addresses are not permitted. Node 26 throws.
    servername: isIP(servername) === 0 ? servername : '',
  }
  const proof = isWeb ? webProof(server) : spiffeProof(connector, server)
  const socket = startConnection(options)
  const prove = proof(socket)
  if (svid !== null) presentedSvids.set(socket, svid)
  superviseHandshake(socket, { timeoutMs, prove })
  return socket
}

/** Takes a connection that was just started, and returns what to do after its handshake. */
type Proof = (socket: TLSSocket) => () => void

function webProof({ verifyStaple }: WebPki): Proof {
  return (socket) => {
    let staple: Buffer | null = null
    if (verifyStaple !== undefined) {
      // It comes before the end of the handshake.
      socket.once('OCSPResponse', (response: Buffer | null) => (staple = response))
    }
    return () => proveWebServer(socket, verifyStaple, staple)
  }
}

function spiffeProof(connector: Connector, server: SpiffeIdMatcher): Proof {
  const {
    source,
    clockSkewMs = 0,
    allowIntermediatesOfOtherTrustDomains = false,
    clock = Date.now,
  } = connector
  const verifier = verifierOf(
    source,
    revocationPolicies(connector.revocation),
    clockSkewMs,
    allowIntermediatesOfOtherTrustDomains,
  )
  return (socket) => () => proveServer(socket, verifier, server, clock())
}

function svidOf(source: X509MaterialSource): X509Svid {
  let svid: X509Svid | null
  try {
    svid = source.svid
  } catch (cause) {
    throw new TlsError('no-svid', 'the source threw instead of giving its SVID', { cause })
  }
  if (svid !== null) return svid
  throw new TlsError('no-svid', `the source has no SVID to present (state: ${source.state})`)
}

function startConnection(options: ConnectionOptions & SocketOptions): TLSSocket {
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
