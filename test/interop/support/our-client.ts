import { once } from 'node:events'
import type { IncomingMessage } from 'node:http'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import { matchId, type X509MaterialSource } from '@fastify-spiffe/spiffe'
import { SvidAgent, peerOf } from '@fastify-spiffe/tls'

const TIMEOUT_MS = 10_000

export interface OurCall {
  /** What the client presents, and what it verifies the server against. */
  readonly source: X509MaterialSource
  /** The SPIFFE ID that the server must have. */
  readonly server: string
  readonly port: number
}

export interface OurAnswer {
  /** The SPIFFE ID that the server has proven. */
  readonly server: string
  /** The serial number of the server's SVID. */
  readonly serialNumber: string
  /** The SPIFFE ID that the server says we have; null when it does not say. */
  readonly caller: string | null
}

/**
 * Gets `/orders` on a new connection.
 * @throws Error when either end refuses the other, or the answer is not 200
 */
export async function callAsUs({ source, server, port }: OurCall): Promise<OurAnswer> {
  const agent = new SvidAgent({ source, server: matchId(server), keepAlive: false })
  try {
    const signal = AbortSignal.timeout(TIMEOUT_MS)
    const call = request({ agent, host: '127.0.0.1', port, path: '/orders', signal }).end()
    const [response]: IncomingMessage[] = await once(call, 'response')
    if (response === undefined) throw new Error('a response event without a response')
    const peer = peerOf(response.socket)
    const body = await text(response)
    if (response.statusCode !== 200) throw new Error(`status ${response.statusCode}: ${body}`)
    if (peer === null || peer === undefined) throw new Error('a response of nobody')
    const { caller } = JSON.parse(body) as Pick<OurAnswer, 'caller'>
    return { server: peer.spiffeId.toString(), serialNumber: peer.serialNumber, caller }
  } finally {
    agent.destroy()
  }
}
