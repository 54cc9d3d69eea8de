import { once } from 'node:events'
import { Authority } from '@fastify-spiffe/authority'
import { spiffeServer } from '@fastify-spiffe/svid'
import { expect, test } from '@jest/globals'
import Fastify from 'fastify'
import { dialHttp2, listen } from '../client.test.helper.ts'
import { peer } from '../index.ts'

test('a request that outlives its HTTP/2 session is refused like any other', async () => {
  await using authority = await Authority.create({ trustDomain: 'example.org' })
  const source = await authority.source('spiffe://example.org/acme/orders')
  await using app = Fastify(spiffeServer(source, { http2: true }))
  const arrival = new Promise<void>((resolve) => {
    app.addHook('onRequest', async ({ raw }) => {
      resolve()
      await once(raw.stream, 'close')
    })
  })
  await app.register(peer)
  const refusal = new Promise((resolve) => {
    app.setErrorHandler((error, _request, reply) => {
      resolve(error)
      return reply.send('')
    })
  })
  app.get('/', () => 'hello')
  const client = await authority.issueX509Svid('spiffe://example.org/acme/web')
  const session = await dialHttp2(await listen(app), client)
  session.request({ ':path': '/' }).on('error', () => undefined)
  await arrival
  session.destroy()
  expect(await refusal).toMatchObject({ name: 'PeerError', code: 'unauthenticated' })
})
