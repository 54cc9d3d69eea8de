import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { Authority, type WorkloadEndpoint } from '@fastify-spiffe/authority'
import { matchAny, type X509Svid } from '@fastify-spiffe/spiffe'
import { SvidAgent, type LapseReason, type PeerLapsedEvent } from '@fastify-spiffe/tls'
import { X509Source } from '@fastify-spiffe/workload-api'
import { describe, expect, test } from '@jest/globals'
import Fastify from 'fastify'
import fastifySpiffe, { spiffeServer } from 'fastify-spiffe'

import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'

/** Resolves with the reason for which the next peer is sent away. */
const nextLapse = (): Promise<LapseReason> =>
  new Promise((resolve) => {
    const listener = (message: unknown): void => {
      unsubscribe('spiffe:peer:lapsed', listener)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the channel's own type
      resolve((message as PeerLapsedEvent).reason)
    }
    subscribe('spiffe:peer:lapsed', listener)
  })

/** A client that presents one SVID for as long as it lives, as a thief would. */
const clientOf = (svid: X509Svid, source: X509Source): SvidAgent =>
  new SvidAgent({
    source: new ScriptedSource(svid, source.bundles),
    server: matchAny(),
    keepAlive: true,
    revocation: 'off',
  })

const ask = async (url: string, agent: SvidAgent): Promise<number | undefined> => {
  const [response] = await once(https.get(`${url}/orders`, { agent }), 'response')
  await text(response)
  return response.statusCode
}

const open = async (endpoint: WorkloadEndpoint) => {
  const source = await X509Source.open({ address: endpoint.address })
  const app = Fastify(spiffeServer(source))
  await app.register(fastifySpiffe, { source, closeSource: true })
  app.get('/orders', { config: { spiffe: { allow: [WEB] } } }, () => 'here you are')
  return { app, source, url: await app.listen({ host: '127.0.0.1', port: 0 }) }
}

describe.each([0, 1])('a service whose authority has %d intermediates', (intermediates) => {
  test('hears over the Workload API what is revoked, sends it away, and keeps it out', async () => {
    await using authority = await Authority.create({ trustDomain: 'example.org', intermediates })
    await using endpoint = await authority.serve({ spiffeId: ORDERS })
    const { app, source, url } = await open(endpoint)
    const svid = await authority.issueX509Svid(WEB)
    const thief = clientOf(svid, source)
    const honest = clientOf(await authority.issueX509Svid(WEB), source)
    for (const agent of [thief, honest]) expect(await ask(url, agent)).toBe(200)

    const lapse = nextLapse()
    await authority.revoke(svid)
    expect(await lapse).toBe('revoked')
    await expect(ask(url, thief)).rejects.toThrow()
    expect(await ask(url, honest)).toBe(200)
    for (const agent of [thief, honest]) agent.destroy()
    await app.close()
  })
})
