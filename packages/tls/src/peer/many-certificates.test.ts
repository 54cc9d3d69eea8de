import { once } from 'node:events'
import { request } from 'node:https'
import { text } from 'node:stream/consumers'
import tls from 'node:tls'
import { generateKeyPair, mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { matchId } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { connect, peerOf } from '../index.ts'
import { bundlesOf, HeldSource, Loopback, portOf } from '../loopback.test.helper.ts'

const WEB_ID = 'spiffe://example.org/acme/web'
const SERVER_ID = 'spiffe://example.org/server'

interface Material {
  readonly cert: string
  readonly key: string
}

let authority: MintedCa
let source: HeldSource
let crowd: string

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  source = new HeldSource((await authority.mint(SERVER_ID)).toX509Svid(), bundlesOf(authority))
  // All of the name of the one that is right, which comes last.
  const keyPair = await generateKeyPair('ec-p256')
  const one = await mintRootCa('example.org', { subject: 'O=intermediate', keyPair })
  const template = { subject: 'O=intermediate', keyPair: one.keyPair }
  const others = await Promise.all(
    Array.from({ length: 200 }, () => mintRootCa('example.org', template)),
  )
  crowd = others.map(({ certificatePem }) => certificatePem).join('')
})

/** The authority, and intermediates each below the one before, which the tests share. */
const ladder: MintedCa[] = []

/** An SVID below so many intermediates. */
async function deep(intermediates: number, name: string): Promise<Material> {
  while (ladder.length <= intermediates) {
    ladder.push((await ladder.at(-1)?.mintCa()) ?? authority)
  }
  const { certificatesPem, privateKeyPem } = await ladder[intermediates]!.mint(name)
  return { cert: certificatesPem, key: privateKeyPem }
}

/** An SVID that comes with two hundred certificates which lead nowhere, before the one that is needed. */
async function crowded(name: string): Promise<Material> {
  const issuer = await authority.mintCa({ subject: 'O=intermediate' })
  const { certificatesPem, privateKeyPem } = await issuer.mint(name)
  const [leaf = '', ...rest] = certificatesPem.split(/(?=-----BEGIN)/)
  return { cert: leaf + crowd + rest.join(''), key: privateKeyPem }
}

const peers: readonly [string, (name: string) => Promise<Material>][] = [
  ['a path of 17 certificates', (name) => deep(16, name)],
  ['a path of 61 certificates', (name) => deep(60, name)],
  ['a path beside two hundred look-alikes', crowded],
]

describe('as many certificates as TLS carries are taken', () => {
  test.each(peers)('by a server: %s', async (_, materialOf) => {
    await using server = await Loopback.serve(source)
    const material = await materialOf(WEB_ID)
    const options = { host: '127.0.0.1', port: server.port, agent: false as const }
    const call = request({ ...options, ...material, rejectUnauthorized: false }).end()
    const [response] = await once(call, 'response')
    expect(await text(response)).toBe(WEB_ID)
  })

  test.each(peers)('by a client: %s', async (_, materialOf) => {
    const server = tls.createServer({ ...(await materialOf(SERVER_ID)) }, (socket) => {
      socket.on('error', () => undefined).end()
    })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    try {
      const target = { host: '127.0.0.1', port: portOf(server) }
      const socket = await connect({ source, ...target, server: matchId(SERVER_ID) })
      expect(peerOf(socket)?.spiffeId.toString()).toBe(SERVER_ID)
      socket.destroy()
    } finally {
      server.close()
    }
  })
})
