import type { Harness } from '../driver/harness.ts'
import { AUDIENCE, Signer, WORKLOAD_ID } from '../driver/signer.ts'
import type { Stage } from '../driver/stage.ts'
import { until } from '../driver/timing.ts'
import { TokenAgent, type JwtState } from '../driver/token-agent.ts'
import { FOLLOW_MS } from '../driver/watch.ts'
import { Failure, expectEqual, expectThat, Skip, type ConformanceCase } from '../suite/case.ts'

/** What became of a token: whose it is, or `null` where it is rejected. */
export type TokenVerdict = string | null

/** A harness whose JWT bundles the case sets. */
export class TokenScene {
  readonly agent: TokenAgent
  readonly #harness: Harness

  constructor(agent: TokenAgent, harness: Harness) {
    this.agent = agent
    this.#harness = harness
  }

  static async start(stage: Stage, state: JwtState): Promise<TokenScene> {
    const agent = await stage.use(TokenAgent.open())
    agent.publish(state)
    return new TokenScene(agent, await stage.start(agent))
  }

  async validate(token: string, audience: string = AUDIENCE): Promise<TokenVerdict> {
    const { code, body } = await this.#harness.control.post('/v1/jwt/validate', { token, audience })
    if (code === 501) throw new Skip(`unsupported: ${String(body['message'])}`)
    if (code === 422 && body['status'] === 'rejected') return null
    if (code === 200) return String(body['spiffe_id'])
    throw new Error(`the harness cannot validate: ${code} ${JSON.stringify(body)}`)
  }

  /** @throws {@link Failure} */
  async accepts(token: string, spiffeId: string = WORKLOAD_ID): Promise<void> {
    expectEqual(await this.validate(token), spiffeId, 'the token is of')
  }

  /** @throws {@link Failure} */
  async rejects(token: string, audience: string = AUDIENCE): Promise<void> {
    const verdict = await this.validate(token, audience)
    expectThat(verdict === null, `accepted, as ${verdict}`)
  }

  /** Publishes a state with one more authority, and waits until a token of that is accepted. */
  async update(state: JwtState): Promise<void> {
    const barrier = new Signer(`barrier-${performance.now()}`)
    const own = state['example.org'] ?? []
    const keys = typeof own === 'string' ? withKey(own, barrier) : [...own, barrier]
    this.agent.publish({ ...state, 'example.org': keys })
    const token = barrier.token()
    await until(
      () => this.validate(token),
      (verdict) => verdict !== null,
      FOLLOW_MS,
      () => new Failure(`the update is not followed after ${FOLLOW_MS} ms`),
    )
  }
}

function withKey(text: string, signer: Signer): string {
  const { keys } = JSON.parse(text) as { readonly keys: readonly object[] }
  return JSON.stringify({ keys: [...keys, signer.jwk()] })
}

/** What a token case needs beyond its titles. */
export type TokenCase = Omit<ConformanceCase, 'run' | 'level'> & {
  readonly verdict: 'accepted' | 'rejected'
  /** The authorities of the own trust domain. Default: one of ES256. */
  readonly signers?: () => readonly Signer[]
  /** Whose it is. Default: the workload of the own trust domain. */
  readonly spiffeId?: string
  readonly audience?: string
  readonly token: (own: readonly Signer[], foreign: Signer) => string
}

export const FOREIGN_TOKEN_DOMAIN = 'other.test'

function oneSigner(): readonly Signer[] {
  return [new Signer('own')]
}

/** A token is judged, after a good one was accepted. */
export function tokenCase({ signers = oneSigner, ...test }: TokenCase): ConformanceCase {
  return {
    name: test.name,
    level: 'core',
    title: test.title,
    rule: test.rule,
    run: async (stage) => {
      const [own, foreign] = [signers(), new Signer('foreign')]
      const state = { 'example.org': own, [FOREIGN_TOKEN_DOMAIN]: [foreign] }
      const scene = await TokenScene.start(stage, state)
      await scene.accepts(own[0]!.token())
      const token = test.token(own, foreign)
      if (test.verdict === 'rejected') await scene.rejects(token, test.audience)
      else await scene.accepts(token, test.spiffeId)
    },
  }
}
