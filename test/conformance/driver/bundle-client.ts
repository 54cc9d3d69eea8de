import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { TLSSocket } from 'node:tls'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { Failure } from '../suite/case.ts'

export interface BundleRequest {
  readonly method?: string
  readonly headers?: Readonly<Record<string, string>>
  /** What the client presents; `null`: no certificate. Default `null`. */
  readonly material?: MintedCertificate | null
}

/** What a bundle endpoint answers, and who it is. */
export interface BundleAnswer {
  readonly status: number
  readonly header: (name: string) => string | null
  readonly body: string
  /** The certificate that the server presents, verified by nobody. */
  readonly certificate: NonNullable<ReturnType<TLSSocket['getPeerX509Certificate']>>
}

/** Asks a bundle endpoint, on a connection of its own. */
export async function askBundle(port: number, request: BundleRequest = {}): Promise<BundleAnswer> {
  const { method = 'GET', headers = {}, material = null } = request
  const asked = https.request({
    host: '127.0.0.1',
    port,
    path: '/',
    method,
    headers,
    agent: false,
    rejectUnauthorized: false,
    ...(material && { cert: material.certificatesPem, key: material.privateKeyPem }),
  })
  asked.end()
  const [response]: IncomingMessage[] = await once(asked, 'response')
  const socket = response?.socket
  const certificate = socket instanceof TLSSocket ? socket.getPeerX509Certificate() : undefined
  if (response === undefined || certificate === undefined) throw new Failure('no certificate')
  return {
    status: Number(response.statusCode),
    header: (name) => String(response.headers[name] ?? '') || null,
    body: await text(response),
    certificate,
  }
}

/** A key of the JSON Web Key Set that is served. */
export type ServedKey = Readonly<Record<string, unknown>>

export interface ServedBundle {
  readonly keys: readonly ServedKey[]
  /** As its digits stand in the text. */
  readonly sequence: bigint
  readonly refreshHint: unknown
}

/** Reads what a bundle endpoint serves, with nothing of the library. */
export function readServed(body: string): ServedBundle {
  const { keys, spiffe_refresh_hint: refreshHint } = JSON.parse(body) as {
    readonly keys: readonly ServedKey[]
    readonly spiffe_refresh_hint?: unknown
  }
  const digits = /"spiffe_sequence"\s*:\s*(?<digits>\d+)/.exec(body)?.groups?.['digits']
  if (digits === undefined) throw new Failure('the bundle has no sequence')
  return { keys, sequence: BigInt(digits), refreshHint }
}
