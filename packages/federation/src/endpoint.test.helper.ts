import { generateKeyPairSync } from 'node:crypto'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import type { IncomingHttpHeaders, IncomingMessage, ServerResponse } from 'node:http'
import https, { type Server } from 'node:https'
import type { LookupFunction, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { Bundle, JwtAuthority, JwtBundle, X509Bundle } from '@fastify-spiffe/spiffe'
import { Federation, type FederationOptions, type FollowOptions } from './index.ts'

export const PARTNER = 'partner.test'
export const ENDPOINT_ID = 'spiffe://partner.test/spire/server'

/** What a request to an endpoint looked like. */
export interface SeenRequest {
  readonly url: string
  readonly method: string
  readonly headers: IncomingHttpHeaders
  readonly hasClientCertificate: boolean
}

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** An https server on loopback that answers as a test says. */
export class Endpoint implements AsyncDisposable {
  readonly requests: SeenRequest[] = []
  readonly #server: Server
  readonly #sockets = new Set<Duplex>()
  answer: Answer = (_request, response) => response.writeHead(500).end()

  private constructor(material: MintedCertificate) {
    this.#server = https.createServer(
      {
        cert: material.certificatesPem,
        key: material.privateKeyPem,
        requestCert: true,
        rejectUnauthorized: false,
      },
      (request, response) => {
        this.requests.push({
          url: request.url ?? '',
          method: request.method ?? '',
          headers: request.headers,
          hasClientCertificate: hasCertificate(request.socket),
        })
        this.answer(request, response)
      },
    )
    this.#server.on('secureConnection', (socket) => this.#sockets.add(socket))
    this.#server.on('tlsClientError', () => {})
  }

  static async serve(material: MintedCertificate): Promise<Endpoint> {
    const endpoint = new Endpoint(material)
    endpoint.#server.listen(0, '127.0.0.1')
    await once(endpoint.#server, 'listening')
    return endpoint
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('no port is open')
    return address.port
  }

  url(path = '/'): string {
    return `https://localhost:${this.port}${path}`
  }

  /** Serves the material of another certificate from the next handshake on. */
  present(material: MintedCertificate): void {
    this.#server.setSecureContext({ cert: material.certificatesPem, key: material.privateKeyPem })
  }

  /** Answers every request with this body. */
  send(body: string | Buffer, headers: Record<string, string> = {}): void {
    this.answer = (_request, response) => response.writeHead(200, headers).end(body)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    for (const socket of this.#sockets) socket.destroy()
    await closed
  }
}

function hasCertificate(socket: Socket): boolean {
  return socket instanceof TLSSocket && socket.getPeerX509Certificate() !== undefined
}

/** The Web PKI of the tests: one authority, and a certificate of it for `localhost`. */
export async function mintWebPki(): Promise<{ ca: string; localhost: MintedCertificate }> {
  const root = await mintRootCa('web.test')
  const localhost = await root.mint('spiffe://web.test/unused', {
    uris: [],
    dnsNames: ['localhost'],
  })
  return { ca: root.certificatePem, localhost }
}

/** One JWT authority, the same for all tests. */
const jwk = generateKeyPairSync('ec', { namedCurve: 'P-256' }).publicKey.export({ format: 'jwk' })

/** A bundle with the given authorities, and one for JWT-SVIDs. */
export function bundleOf(
  authorities: readonly MintedCa[],
  numbers: { sequence?: bigint; refreshHintMs?: number } = {},
): Bundle {
  const { trustDomain } = authorities[0]!
  const jwt = JwtBundle.of(trustDomain, [JwtAuthority.fromJwk({ ...jwk, kid: 'one' })])
  const certificates = authorities.map(({ certificate }) => certificate)
  return Bundle.of(trustDomain, {
    x509: X509Bundle.of(trustDomain, certificates),
    jwt,
    ...numbers,
  })
}

export const lookup: LookupFunction = (_name, options, callback) => {
  if (options.all === true) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

/** Opens a federation without jitter, whose refreshes are those that the test asks for. */
export async function open(
  options: FederationOptions & { trustDomains: readonly FollowOptions[] },
): Promise<Federation> {
  return Federation.open({ lookup, random: () => 0, ...options })
}

/** Records what is published on the channels of this package about one trust domain, until `stop`. */
export function record(...names: readonly string[]): { stop(): Record<string, unknown>[] } {
  const events: Record<string, unknown>[] = []
  const listener = (message: unknown, name: string | symbol): void => {
    if (typeof message !== 'object') return
    events.push({ channel: String(name).split(':').at(-1), ...message })
  }
  const channels = names.map((name) => `spiffe:${name}`)
  for (const channel of channels) subscribe(channel, listener)
  return {
    stop: () => {
      for (const channel of channels) unsubscribe(channel, listener)
      return events
    },
  }
}
