import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { BundlePublisher, bundleText } from '../driver/bundle-publisher.ts'
import type { ControlAnswer } from '../driver/control-port.ts'
import type { Harness } from '../driver/harness.ts'
import type { Stage } from '../driver/stage.ts'
import { expectEqual, expectThat, Skip, type ConformanceCase } from '../suite/case.ts'
import { FOREIGN_DOMAIN, FOREIGN_ID, meetAsClient } from './peer-case.ts'
import { serving } from './workload-api.ts'

export const ENDPOINT_ID: string = `spiffe://${FOREIGN_DOMAIN}/spire/server`

/** A harness, and a bundle endpoint of a trust domain that it knows nothing of. */
export class FollowingScene {
  readonly stage: Stage
  readonly harness: Harness
  /** The authority of the foreign trust domain, in the bundle that is published first. */
  readonly foreign: MintedCa
  readonly publisher: BundlePublisher
  /** A good client of the own trust domain. */
  readonly client: MintedCertificate

  private constructor(
    parts: Pick<FollowingScene, 'stage' | 'harness' | 'foreign' | 'publisher' | 'client'>,
  ) {
    this.stage = parts.stage
    this.harness = parts.harness
    this.foreign = parts.foreign
    this.publisher = parts.publisher
    this.client = parts.client
  }

  static async start(stage: Stage): Promise<FollowingScene> {
    const { harness, client } = await serving(stage)
    const foreign = await mintRootCa(FOREIGN_DOMAIN)
    const publisher = await stage.use(BundlePublisher.listen(await foreign.mint(ENDPOINT_ID)))
    publisher.publish(bundleText([foreign], { sequence: '2' }))
    return new FollowingScene({ stage, harness, foreign, publisher, client })
  }

  /** Lets the library follow the publisher, by `https_spiffe` where the case says nothing else. */
  async follow(change: Readonly<Record<string, unknown>> = {}): Promise<ControlAnswer> {
    return this.#post('follow', {
      trustDomain: FOREIGN_DOMAIN,
      url: this.publisher.url,
      profile: 'https_spiffe',
      endpointSpiffeId: ENDPOINT_ID,
      bundle: bundleText([this.foreign]),
      ...change,
    })
  }

  /** @throws Error when it is not followed: then a refusal says nothing */
  async followed(change: Readonly<Record<string, unknown>> = {}): Promise<void> {
    const { code, body } = await this.follow(change)
    if (code !== 200) throw new Error(`the positive control: ${code} ${JSON.stringify(body)}`)
  }

  /** Lets the library fetch once, and resolves with what it holds then. */
  async refresh(): Promise<Readonly<Record<string, unknown>>> {
    const { code, body } = await this.#post('refresh', { trustDomain: FOREIGN_DOMAIN })
    expectEqual(code, 200, 'the code of refresh')
    return body
  }

  async stop(): Promise<void> {
    expectEqual((await this.#post('stop', { trustDomain: FOREIGN_DOMAIN })).code, 200, 'the code')
  }

  /** Whether the library lets in a peer of the foreign trust domain that `authority` has named. */
  async letsIn(authority: MintedCa = this.foreign): Promise<boolean> {
    const peer = await authority.mint(FOREIGN_ID)
    const line = await meetAsClient(this.stage, this.harness, peer)
    if (line !== null) expectEqual(line, FOREIGN_ID, 'the peer is')
    return line !== null
  }

  async expectTrust(isTrusted: boolean, when: string, authority?: MintedCa): Promise<void> {
    const isIn = await this.letsIn(authority)
    expectThat(isIn === isTrusted, `${when}, a peer is ${isIn ? 'let in' : 'refused'}`)
  }

  async #post(command: string, body: object): Promise<ControlAnswer> {
    const answer = await this.harness.control.post(`/v2/federation/${command}`, body)
    if (answer.code === 501) throw new Skip(`unsupported: ${String(answer.body['message'])}`)
    return answer
  }
}

/** Says that the endpoint was refused. */
export function expectRefused({ code, body }: ControlAnswer, why: string): void {
  expectThat(
    code === 422 && body['status'] === 'rejected',
    `an endpoint with ${why}: ${code} ${JSON.stringify(body)}`,
  )
}

/** An endpoint of the Web PKI, and how it is followed as one of the foreign trust domain. */
export interface WebEndpoint {
  readonly publisher: BundlePublisher
  readonly call: Readonly<Record<string, unknown>>
}

export async function webEndpoint(stage: Stage, body: string): Promise<WebEndpoint> {
  const web = await mintRootCa('web.test')
  const shape = { uris: [], ipAddresses: ['127.0.0.1'] }
  const publisher = await stage.use(
    BundlePublisher.listen(await web.mint('spiffe://web.test/unused', shape)),
  )
  publisher.publish(body)
  const { certificatePem: webCa } = web
  const profile = 'https_web'
  return { publisher, call: { trustDomain: FOREIGN_DOMAIN, url: publisher.url, profile, webCa } }
}

/** A case of a harness that may follow an endpoint. */
export function followingCase(
  number: number,
  title: string,
  rule: string,
  run: (scene: FollowingScene) => Promise<void>,
): ConformanceCase {
  return {
    name: `FOL-${number}`,
    level: 'core',
    title,
    rule,
    run: async (stage) => run(await FollowingScene.start(stage)),
  }
}
