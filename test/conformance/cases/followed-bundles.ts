import { mintRootCa } from '@fastify-spiffe/authority'
import { HARNESS_ID } from '../driver/agent.ts'
import { bundleText } from '../driver/bundle-publisher.ts'
import { HeldConnection } from '../driver/held-connection.ts'
import { entry, federated } from '../driver/scripted-agent.ts'
import { AUDIENCE, Signer } from '../driver/signer.ts'
import { within } from '../driver/timing.ts'
import { TokenAgent } from '../driver/token-agent.ts'
import { untilPresented } from '../driver/watch.ts'
import { expectEqual, expectThat, type ConformanceCase } from '../suite/case.ts'
import { followingCase, webEndpoint } from './following-scene.ts'
import { FOREIGN_DOMAIN, FOREIGN_ID, PEER_ID } from './peer-case.ts'
import { serving } from './workload-api.ts'

/** The grace of the library is ten seconds; its timer rings at most once a second. */
const CUT_MS = 13_000

/** What of the bundles that an endpoint serves counts, and for how long. */
export const followedBundles: readonly ConformanceCase[] = [
  followingCase(
    7,
    'a lower sequence does not replace a higher one, above 2^53 as well',
    'Trust Domain and Bundle §4.1.1 (43, 46)',
    async (scene) => {
      const { publisher, foreign } = scene
      await scene.followed()
      const successor = await mintRootCa(FOREIGN_DOMAIN)
      publisher.publish(bundleText([successor], { sequence: '1' }))
      await scene.refresh()
      await scene.expectTrust(true, 'after a lower sequence')
      await scene.expectTrust(false, 'after a lower sequence', successor)
      publisher.publish(bundleText([foreign], { sequence: '9007199254740993' }))
      await scene.refresh()
      publisher.publish(bundleText([successor], { sequence: '9007199254740992' }))
      await scene.refresh()
      await scene.expectTrust(false, 'after a sequence that is lower by one', successor)
      publisher.publish(bundleText([successor], { sequence: '9007199254740994' }))
      await scene.refresh()
      await scene.expectTrust(true, 'after a higher sequence', successor)
      await scene.expectTrust(false, 'after a higher sequence')
    },
  ),
  followingCase(
    8,
    'a fetch that fails changes nothing, and a bundle without keys ends the trust',
    'SPIFFE Federation §6.2; Trust Domain and Bundle §4.1.3 (52, 53)',
    async (scene) => {
      const { publisher } = scene
      await scene.followed()
      for (const body of ['', '{', '{}', '[]', '{"keys":[],"keys":[]}', ' '.repeat(5_000_000)]) {
        publisher.publish(body)
        await scene.refresh()
      }
      publisher.answer = (response) => response.writeHead(404).end('{"keys":[]}')
      await scene.refresh()
      await scene.expectTrust(true, 'after failures')
      publisher.publish('{"keys":[],"spiffe_sequence":3}')
      const { sequence, x509, jwt } = await scene.refresh()
      expectEqual([sequence, x509, jwt].join(), '3,0,0', 'what is held')
      await scene.expectTrust(false, 'after a bundle without keys')
    },
  ),
  followingCase(
    9,
    'a connection does not outlive the authority of its peer, but for a grace',
    'SPIFFE Federation §6.2 (67)',
    async (scene) => {
      const { publisher, foreign, harness, stage, client } = scene
      await scene.followed()
      const held = await stage.use(
        HeldConnection.open(harness.x509Port, await foreign.mint(FOREIGN_ID)),
      )
      const own = await stage.use(HeldConnection.open(harness.x509Port, client))
      publisher.publish(bundleText([await mintRootCa(FOREIGN_DOMAIN)], { sequence: '3' }))
      await scene.refresh()
      const outcome = await within(
        held.cut.then(() => 'cut'),
        CUT_MS,
        'alive',
      )
      expectEqual(outcome, 'cut', 'the connection')
      expectThat(!own.isCut, 'a connection was cut whose peer is trusted still')
    },
  ),
  followingCase(
    10,
    'the own trust domain is what the Workload API says, whatever is followed',
    'SPIFFE Federation §4.2 (72)',
    async (scene) => {
      const intruder = await mintRootCa('example.org')
      const { call } = await webEndpoint(scene.stage, bundleText([intruder], { sequence: '3' }))
      const instead = { trustDomain: 'example.org', bundle: undefined, endpointSpiffeId: undefined }
      await scene.followed({ ...call, ...instead })
      const peer = await intruder.mint(PEER_ID)
      const { line } = await scene.harness.present({ material: peer })
      expectThat(line === null, `accepted, as ${line}`)
      const { line: own } = await scene.harness.present({ material: scene.client })
      expectEqual(own, PEER_ID, 'the peer of the own authority is')
    },
  ),
  {
    name: 'FOL-11',
    level: 'core',
    title: 'the bundle that the Workload API sends counts before the one that is followed',
    rule: 'Trust Domain and Bundle §3 (33)',
    run: async (stage) => {
      const { home, agent, harness, client, svid } = await serving(stage)
      const [sent, followed] = [await mintRootCa(FOREIGN_DOMAIN), await mintRootCa(FOREIGN_DOMAIN)]
      const { call } = await webEndpoint(stage, bundleText([followed]))
      const { code } = await harness.control.post('/v2/federation/follow', call)
      expectEqual(code, 200, 'the code of follow')
      const meet = async (authority: typeof sent): Promise<string | null> =>
        (await harness.present({ material: await authority.mint(FOREIGN_ID) })).line
      expectEqual(await meet(followed), FOREIGN_ID, 'before, the peer is')
      const next = await home.mint(HARNESS_ID)
      agent.publish({
        svids: [entry(HARNESS_ID, next, home)],
        federated_bundles: federated(sent),
      })
      await untilPresented(harness, client, next, svid)
      expectEqual(await meet(sent), FOREIGN_ID, 'the peer of the one that is sent is')
      expectEqual(await meet(followed), null, 'the peer of the one that is followed is')
    },
  },
  {
    name: 'FOL-12',
    level: 'core',
    title: 'the JWT authorities of a bundle that is followed verify the tokens of its trust domain',
    rule: 'JWT-SVID §6.2 (76)',
    run: async (stage) => {
      const [own, foreign] = [new Signer('own'), new Signer('foreign')]
      const agent = await stage.use(TokenAgent.open())
      agent.publish({ 'example.org': [own] })
      const { control } = await stage.start(agent)
      const { publisher, call } = await webEndpoint(
        stage,
        bundleText([], { jwks: [foreign.jwk()] }),
      )
      const token = foreign.token({ claims: { sub: FOREIGN_ID } })
      const validate = async (each: string): Promise<number> =>
        (await control.post('/v1/jwt/validate', { token: each, audience: AUDIENCE })).code
      expectEqual(await validate(own.token()), 200, 'the code for an own token')
      expectEqual(await validate(token), 422, 'the code before')
      const { code } = await control.post('/v2/federation/follow', call)
      expectEqual(code, 200, 'the code of follow')
      expectEqual(await validate(token), 200, 'the code of a token of the trust domain')
      expectEqual(await validate(foreign.token()), 422, 'the code of one with an own name')
      publisher.publish(bundleText([], { sequence: '2' }))
      await control.post('/v2/federation/refresh', { trustDomain: FOREIGN_DOMAIN })
      expectEqual(await validate(token), 422, 'the code when the authority has gone')
    },
  },
]
