import { mintRootCa } from '@fastify-spiffe/authority'
import { BundlePublisher, bundleText } from '../driver/bundle-publisher.ts'
import { expectEqual, type ConformanceCase } from '../suite/case.ts'
import { ENDPOINT_ID, expectRefused, followingCase, webEndpoint } from './following-scene.ts'
import { FOREIGN_DOMAIN, FOREIGN_ID } from './peer-case.ts'

/** Who an endpoint has to be, and where it may be. */
export const followedEndpoints: readonly ConformanceCase[] = [
  followingCase(
    1,
    'a trust domain is trusted from the fetch of its bundle on, and until it is followed no more',
    'SPIFFE Federation §5, §6.3 (48, 51)',
    async (scene) => {
      await scene.expectTrust(false, 'before')
      await scene.followed()
      await scene.expectTrust(true, 'followed')
      await scene.expectTrust(false, 'followed', await mintRootCa(FOREIGN_DOMAIN))
      await scene.stop()
      await scene.expectTrust(false, 'followed no more')
    },
  ),
  followingCase(
    2,
    'an endpoint that does not prove the SPIFFE ID to the bundle that is held sees no request',
    'SPIFFE Federation §5.2.2.4 (51)',
    async (scene) => {
      const { foreign, publisher } = scene
      const stranger = await mintRootCa(FOREIGN_DOMAIN)
      const past = Date.now() - 1000
      const wrong = [
        ['another SPIFFE ID', await foreign.mint(FOREIGN_ID)],
        ['another authority', await stranger.mint(ENDPOINT_ID)],
        [
          'an expired SVID',
          await foreign.mint(ENDPOINT_ID, { notBefore: past - 3_600_000, notAfter: past }),
        ],
      ] as const
      for (const [why, material] of wrong) {
        publisher.present(material)
        // The bundle that it serves would verify it.
        publisher.publish(bundleText([stranger, foreign], { sequence: '9' }))
        expectRefused(await scene.follow(), why)
      }
      expectEqual(publisher.requests.length, 0, 'requests')
      await scene.expectTrust(false, 'refused', stranger)
      publisher.present(await foreign.mint(ENDPOINT_ID))
      await scene.followed()
    },
  ),
  followingCase(
    3,
    'without a bundle to begin with, an endpoint of the trust domain itself is not asked',
    'SPIFFE Federation §5.2.2.2 (49)',
    async (scene) => {
      expectRefused(await scene.follow({ bundle: undefined }), 'nothing to verify it with')
      expectRefused(await scene.follow({ endpointSpiffeId: undefined }), 'no SPIFFE ID')
      expectEqual(scene.publisher.requests.length, 0, 'requests')
      await scene.followed()
    },
  ),
  followingCase(
    4,
    'an endpoint of the Web PKI is asked where it proves its name, and learns nothing of who asks',
    'SPIFFE Federation §5.2.1.4 (48)',
    async (scene) => {
      const { publisher, call } = await webEndpoint(scene.stage, bundleText([scene.foreign]))
      const { webCa } = call
      const profile = { ...call, webCa: undefined, endpointSpiffeId: undefined, bundle: undefined }
      expectRefused(await scene.follow(profile), 'an authority that Node does not trust')
      const other = (await mintRootCa('web.test')).certificatePem
      expectRefused(await scene.follow({ ...profile, webCa: other }), 'another authority')
      const url = publisher.url.replace('127.0.0.1', 'localhost')
      expectRefused(await scene.follow({ ...profile, webCa, url }), 'another name')
      expectEqual(publisher.requests.length, 0, 'requests')
      await scene.followed({ ...profile, webCa })
      await scene.expectTrust(true, 'followed')
      expectEqual(publisher.credentials, 0, 'credentials')
    },
  ),
  followingCase(
    5,
    'only https without user information is the URL of an endpoint',
    'SPIFFE Federation §5.2.1.1, §5.2.2.1 (47)',
    async (scene) => {
      const { url } = scene.publisher
      const host = url.slice('https://'.length)
      for (const bad of [`http://${host}`, `https://u:p@${host}`, `https://@${host}`]) {
        expectRefused(await scene.follow({ url: bad }), `the URL ${bad}`)
      }
      expectEqual(scene.publisher.requests.length, 0, 'requests')
      await scene.followed()
    },
  ),
  followingCase(
    6,
    'a redirect leads to https only, and to the same SPIFFE ID',
    'SPIFFE Federation §5.2.1.4, §5.2.2.4 (50)',
    async (scene) => {
      const { publisher, foreign, stage } = scene
      await scene.followed()
      const successor = await mintRootCa(FOREIGN_DOMAIN)
      const other = await stage.use(BundlePublisher.listen(await foreign.mint(FOREIGN_ID)))
      other.publish(bundleText([successor], { sequence: '9' }))
      for (const target of [other.url, other.url.replace('https', 'http'), 'data:,%7B%7D']) {
        publisher.redirect(target)
        expectEqual((await scene.refresh())['sequence'], 2, `the sequence after ${target}`)
      }
      expectEqual(other.requests.length, 0, 'requests to the other one')
      publisher.answer = (response, { url }) => {
        if (url === '/') response.writeHead(302, { location: '/next' }).end()
        else response.writeHead(200).end(bundleText([foreign], { sequence: '3' }))
      }
      expectEqual((await scene.refresh())['sequence'], 3, 'the sequence after a good one')
      await scene.refresh()
      expectEqual(publisher.requests.slice(-2).join(' '), '/ /next', 'the way of the next fetch')
    },
  ),
]
