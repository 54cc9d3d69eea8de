import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { createDispatcher, type SvidDispatcher } from '@fastify-spiffe/fetch'
import { createSvidServer, peerOf } from '@fastify-spiffe/tls'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { once } from 'node:events'
import type { Http2SecureServer } from 'node:http2'
import type { AddressInfo } from 'node:net'
import { setTimeout as delay } from 'node:timers/promises'
import { afterAll, beforeAll, expect, test } from '@jest/globals'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'

const ROTATIONS = 100
const WORKERS = 16
const PACE_MS = 30

let authority: Authority
let orders: InProcessSource
let server: Http2SecureServer
let url: string

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  orders = await authority.source(ORDERS)
  server = createSvidServer(orders, { http2: true, allowHTTP1: true }, (request, response) => {
    response.end(String(peerOf(request.socket)?.serialNumber))
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `https://127.0.0.1:${(server.address() as AddressInfo).port}`
})

afterAll(async () => {
  server.close()
  await orders.close()
  await authority.close()
})

type Send = (dispatcher: SvidDispatcher) => Promise<Response>

const ways: [string, Send, boolean][] = [false, true].flatMap((http2) => {
  const version = http2 ? 'HTTP/2' : 'HTTP/1.1'
  const init = { method: 'POST', body: 'a body' }
  return [
    [`its own fetch over ${version}`, ({ fetch }) => fetch(url, init), http2],
    [
      `the built-in fetch over ${version}`,
      (dispatcher) => fetch(url, { ...init, dispatcher: dispatcher as never }),
      http2,
    ],
  ] satisfies [string, Send, boolean][]
})

test.each(ways)(
  'a hundred rotations of a client under load fail no request of %s, and none is sent with a replaced SVID',
  async (_name, send, http2) => {
    const svids = await Promise.all(
      Array.from({ length: ROTATIONS }, () => authority.issueX509Svid(WEB)),
    )
    const [first = null, ...others] = svids
    const source = new ScriptedSource(first, orders.bundles)
    const dispatcher = createDispatcher({ source, server: ORDERS, http2 })
    const serials = [first?.leaf.serialNumber]
    const failures: unknown[] = []
    const over = new AbortController()
    let sent = 0
    const work = async (): Promise<void> => {
      while (!over.signal.aborted) {
        const newest = serials.length - 1
        try {
          const response = await send(dispatcher)
          const used = serials.indexOf(await response.text())
          if (used < newest) failures.push(`serial ${used} after ${newest}`)
          sent++
        } catch (error) {
          failures.push(error)
        }
      }
    }
    const workers = Promise.all(Array.from({ length: WORKERS }, work))
    for (const svid of others) {
      await delay(PACE_MS)
      serials.push(svid.leaf.serialNumber)
      source.set(svid, orders.bundles)
    }
    over.abort()
    await workers
    await dispatcher.close()
    expect(failures).toEqual([])
    expect(sent).toBeGreaterThan(ROTATIONS)
  },
  60_000,
)
