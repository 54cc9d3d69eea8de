import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import { CountingServer } from '../driver/counting-server.ts'
import type { Harness } from '../driver/harness.ts'
import { entry, federated, type ScriptedAgent } from '../driver/scripted-agent.ts'
import type { Stage } from '../driver/stage.ts'
import { untilPresented } from '../driver/watch.ts'
import { expectEqual, expectThat } from '../suite/case.ts'
import { FOREIGN_DOMAIN, PEER_ID } from './peer-case.ts'

/** A harness with some of its parts, and all that it takes to meet it. */
export interface PartScene {
  /** The only authority of its own trust domain. */
  readonly home: MintedCa
  /** Of another trust domain, with which it is federated. */
  readonly foreign: MintedCa
  readonly agent: ScriptedAgent
  readonly harness: Harness
  /** A good client. */
  readonly client: MintedCertificate
}

export async function servingParts(
  stage: Stage,
  parts: string,
  environment: Readonly<Record<string, string>> = {},
): Promise<PartScene> {
  const [home, foreign] = [await mintRootCa(TRUST_DOMAIN), await mintRootCa(FOREIGN_DOMAIN)]
  const agent = await stage.scriptedAgent()
  const svid = await home.mint(HARNESS_ID)
  agent.publish({ svids: [entry(HARNESS_ID, svid, home)], federated_bundles: federated(foreign) })
  const harness = await stage.startParts(agent, parts, environment)
  return { home, foreign, agent, harness, client: await home.mint(PEER_ID) }
}

/** Gives the harness its next SVID and the authorities that are given, and waits until it presents it. */
export async function renew(
  { home, foreign, agent, harness, client }: PartScene,
  ...authorities: readonly MintedCa[]
): Promise<void> {
  const next = await home.mint(HARNESS_ID)
  const bundle = authorities.length === 0 ? [home] : authorities
  agent.publish({
    svids: [entry(HARNESS_ID, next, ...bundle)],
    federated_bundles: federated(foreign),
  })
  await untilPresented(harness, client, next)
}

/** Clients without an identity that the harness could believe; `null`: one without a certificate. */
export async function unprovenClients({
  home,
  foreign,
}: PartScene): Promise<readonly (MintedCertificate | null)[]> {
  const past = Date.now() - 1000
  return [
    null,
    await (await mintRootCa(TRUST_DOMAIN)).mint(PEER_ID),
    await foreign.mint(PEER_ID),
    await home.mint(PEER_ID, { notBefore: past - 3_600_000, notAfter: past }),
  ]
}

/** Servers that are not {@link HARNESS_ID}, by why they are not. */
export async function wrongServers({
  home,
  foreign,
}: PartScene): Promise<ReadonlyMap<string, MintedCertificate>> {
  const past = Date.now() - 1000
  return new Map([
    ['another SPIFFE ID', await home.mint(PEER_ID)],
    ['an unknown authority', await (await mintRootCa(TRUST_DOMAIN)).mint(HARNESS_ID)],
    ['the authority of another trust domain', await foreign.mint(HARNESS_ID)],
    [
      'an SVID that has expired',
      await home.mint(HARNESS_ID, { notBefore: past - 3_600_000, notAfter: past }),
    ],
  ])
}

/** So many calls are made of each wrong server at the same time. */
const CALLS = 5

/** Has the harness call each wrong server, which must be refused, and sent nothing. */
export async function expectNothingSent(
  stage: Stage,
  scene: PartScene,
  protocol: 'h2' | 'http/1.1',
  path: string,
  bodyFor: (server: CountingServer) => object,
): Promise<void> {
  const { control } = scene.harness
  for (const [why, material] of await wrongServers(scene)) {
    const server = await stage.use(CountingServer.listen(material, protocol))
    const calls = Array.from({ length: CALLS }, () => control.post(path, bodyFor(server)))
    for (const { code, body } of await Promise.all(calls)) {
      expectThat(
        code === 422 && body['status'] === 'rejected',
        `a server with ${why}: ${code} ${JSON.stringify(body)}`,
      )
    }
    expectEqual(server.bytes, 0, `bytes sent to a server with ${why}`)
  }
}
