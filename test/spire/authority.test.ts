import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { BundleSet, X509Bundle, verifyX509Svid } from '@fastify-spiffe/spiffe'
import type { Certificate, X509MaterialSource } from '@fastify-spiffe/spiffe'
import { until } from './fixture/index.ts'
import { Http1Caller } from './support/http1-caller.ts'
import { Http2Caller } from './support/http2-caller.ts'
import { KeptSvidSource } from './support/kept-svid-source.ts'
import { Loads } from './support/load.ts'
import { Rejections } from './support/rejections.ts'
import { report } from './support/report.ts'
import { Scene } from './support/scene.ts'

let scene: Scene

beforeAll(async () => {
  scene = await Scene.start()
})

afterAll(() => scene?.[Symbol.asyncDispose]())

/** The authorities of the own trust domain that a source knows now. */
function authoritiesOf({ svid, bundles }: X509MaterialSource): readonly Certificate[] {
  return (svid && bundles.get(svid.spiffeId.trustDomain)?.authorities) ?? []
}

function isSignedBy(authority: Certificate, { svid }: X509MaterialSource): boolean {
  if (svid === null) return false
  const bundle = X509Bundle.of(svid.spiffeId.trustDomain, [authority])
  return verifyX509Svid(svid.certificates, BundleSet.of(bundle)).ok
}

/** Waits until `holds` is true for both ends. */
async function atBothEnds(
  what: string,
  holds: (end: X509MaterialSource) => boolean,
): Promise<void> {
  await until(what, () => holds(scene.service.source) && holds(scene.source))
}

test('an authority is replaced and revoked under load: who has a new SVID notices nothing', async () => {
  const { server, source } = scene
  using rejections = new Rejections()
  await using kept = new Http1Caller(scene.endpoint())
  await using multiplexed = new Http2Caller(scene.endpoint())
  await using fresh = new Http1Caller({ ...scene.endpoint(), keepAlive: false })
  await using loads = new Loads()
  loads.start('HTTP/1.1', kept)
  loads.start('HTTP/2', multiplexed)
  loads.start('new connections', fresh)
  const oldSvid = source.svid
  const [oldAuthority] = authoritiesOf(source)
  if (oldSvid === null || oldAuthority === undefined) throw new Error('the source holds nothing')

  const oldId = await server.authorities.active()
  const newId = await server.authorities.prepare()
  await atBothEnds('both authorities are known', (end) => authoritiesOf(end).length === 2)
  const newAuthority = authoritiesOf(source).find((authority) => !authority.equals(oldAuthority))
  if (newAuthority === undefined) throw new Error('the new authority is not in the bundle')
  await server.authorities.activate(newId)
  await server.authorities.taint(oldId)
  await atBothEnds('SVIDs of the new authority', (end) => isSignedBy(newAuthority, end))

  // A peer that keeps what the old authority signed is still welcome: tainted is not revoked.
  const keeper = new KeptSvidSource(oldSvid, source)
  await using keeperKept = new Http2Caller(scene.endpoint(keeper))
  await using keeperFresh = new Http1Caller({ ...scene.endpoint(keeper), keepAlive: false })
  expect((await keeperKept.get('/orders')).status).toBe(200)
  expect((await keeperFresh.get('/orders')).status).toBe(200)
  // Connections that the new SVID has opened live on through what follows.
  await using renewed = new Http2Caller(scene.endpoint())
  loads.start('HTTP/2 of the new SVID alone', renewed)
  await loads.progress(10)
  expect(rejections.codes).toEqual([])

  await server.authorities.revoke(oldId)
  await atBothEnds('the old authority is gone', (end) => authoritiesOf(end).length === 1)

  await loads.progress(50)

  // On the wire the service cuts the connection after the client's half of the handshake.
  await expect(keeperFresh.get('/orders')).rejects.toThrow()
  expect(rejections.codes).toEqual(['no-path'])
  // The service has sent its connection away, and takes no new one.
  await expect(keeperKept.get('/orders')).rejects.toThrow()

  report('an authority was prepared, activated, tainted and revoked')
  expect(await loads.failures()).toEqual([])
  expect(renewed.connections).toBe(1)
})
