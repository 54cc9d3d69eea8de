import { status } from '@grpc/grpc-js'
import { HARNESS_ID } from '../driver/agent.ts'
import type { ControlAnswer } from '../driver/control-port.ts'
import type { Harness } from '../driver/harness.ts'
import { type Members, Signer } from '../driver/signer.ts'
import type { Stage } from '../driver/stage.ts'
import { TokenAgent, type TokenAnswer, type TokenQuestion } from '../driver/token-agent.ts'
import { expectEqual, expectThat, Skip, type ConformanceCase } from '../suite/case.ts'

const OTHER_ID = `${HARNESS_ID}/other`
const AUDIENCE = 'orders'

interface Fetched {
  readonly spiffe_id: unknown
  readonly token: unknown
  readonly hint: unknown
}

/** A harness whose agent gives the tokens that the case wants. */
class FetchScene {
  readonly agent: TokenAgent
  readonly signer = new Signer('own')
  readonly #harness: Harness

  private constructor(agent: TokenAgent, harness: Harness) {
    this.agent = agent
    this.#harness = harness
    agent.publish({ 'example.org': [this.signer] })
  }

  static async start(stage: Stage): Promise<FetchScene> {
    const agent = await stage.use(TokenAgent.open())
    return new FetchScene(agent, await stage.start(agent))
  }

  /** An entry of an answer, good where the draft is silent. */
  entry(spiffeId: string, audience: readonly string[], more: object = {}): object {
    const svid = this.signer.token({ claims: { sub: spiffeId, aud: audience } })
    return { spiffeId, svid, hint: '', ...more }
  }

  /** Lets the library fetch. */
  async fetch(body: object): Promise<ControlAnswer> {
    const answer = await this.#harness.control.post('/v1/jwt/fetch', body)
    if (answer.code === 501) throw new Skip(`unsupported: ${String(answer.body['message'])}`)
    return answer
  }

  /** @throws {@link Failure} when there are no tokens */
  async fetched(body: object): Promise<readonly Fetched[]> {
    const answer = await this.fetch(body)
    expectEqual(`${answer.code} ${String(answer.body['status'])}`, '200 ok', 'the answer')
    const { svids } = answer.body
    expectThat(Array.isArray(svids), 'the answer has no list of svids')
    return svids as readonly Fetched[]
  }
}

/** The agent gives what was asked for, for the identities that it has. */
function goodAnswer(scene: FetchScene, identities: readonly [string, string][]) {
  return ({ audience, spiffeId }: TokenQuestion): TokenAnswer => {
    const entitled = identities.filter(([id]) => spiffeId === '' || id === spiffeId)
    if (entitled.length === 0) return { code: status.PERMISSION_DENIED }
    return { svids: entitled.map(([id, hint]) => scene.entry(id, audience, { hint })) }
  }
}

/** After a good answer comes a bad one, of which the library gives nothing. */
function refusedAnswer(
  name: string,
  title: string,
  rule: string,
  bad: (scene: FetchScene) => TokenAnswer,
  level: ConformanceCase['level'] = 'core',
): ConformanceCase {
  return {
    name,
    level,
    title,
    rule,
    run: async (stage) => {
      const scene = await FetchScene.start(stage)
      scene.agent.answerTokens(goodAnswer(scene, [[HARNESS_ID, '']]))
      const [control] = await scene.fetched({ audience: ['control'] })
      expectEqual(control?.spiffe_id, HARNESS_ID, 'the control is of')
      scene.agent.answerTokens(() => bad(scene))
      const { code, body } = await scene.fetch({ audience: [AUDIENCE] })
      const isRefused =
        (code === 422 && body['status'] === 'rejected') ||
        (code === 500 && body['status'] === 'error')
      expectThat(isRefused, `the library gives ${JSON.stringify(body['svids'] ?? null)}`)
    },
  }
}

function expired(): Members {
  const seconds = Math.floor(Date.now() / 1000)
  return { sub: HARNESS_ID, aud: [AUDIENCE], iat: seconds - 600, exp: seconds - 300 }
}

export const jwtFetch: readonly ConformanceCase[] = [
  {
    name: 'JF-1',
    level: 'core',
    title: 'a token is fetched for all audiences that are asked for',
    rule: 'Workload API §6.2.1 (79)',
    run: async (stage) => {
      const scene = await FetchScene.start(stage)
      scene.agent.answerTokens(goodAnswer(scene, [[HARNESS_ID, '']]))
      const svids = await scene.fetched({ audience: ['orders', 'ledger'] })
      expectEqual(svids.length, 1, 'tokens')
      expectEqual(svids[0]?.spiffe_id, HARNESS_ID, 'the token is of')
      const claims = claimsOf(svids[0]?.token)
      expectEqual(sorted(claims['aud']), 'ledger orders', 'the token is for')
      const [asked] = scene.agent.questions
      expectEqual(sorted(asked?.audience), 'ledger orders', 'the agent was asked for')
      expectEqual(asked?.spiffeId, '', 'the identity that was asked for')
      expectEqual(asked?.header.join(), 'true', 'the security header')
    },
  },
  {
    name: 'JF-2',
    level: 'core',
    title: 'an identity that is named is asked for, and its token alone is given',
    rule: 'Workload API §6.2.1 (79)',
    run: async (stage) => {
      const scene = await FetchScene.start(stage)
      const identities: [string, string][] = [
        [HARNESS_ID, ''],
        [OTHER_ID, ''],
      ]
      scene.agent.answerTokens(goodAnswer(scene, identities))
      const body = { audience: [AUDIENCE], spiffe_id: OTHER_ID }
      const svids = await scene.fetched(body)
      expectEqual(svids.map(({ spiffe_id: id }) => id).join(), OTHER_ID, 'the tokens are of')
      expectEqual(scene.agent.questions[0]?.spiffeId, OTHER_ID, 'the agent was asked for')
    },
  },
  {
    name: 'JF-3',
    level: 'optional',
    title: 'the tokens of all identities are given in their order, with their hints',
    rule: 'Workload API §6.2.1, §8 (74)',
    run: async (stage) => {
      const scene = await FetchScene.start(stage)
      const identities: [string, string][] = [
        [OTHER_ID, 'external'],
        [HARNESS_ID, 'internal'],
      ]
      scene.agent.answerTokens(goodAnswer(scene, identities))
      const svids = await scene.fetched({ audience: [AUDIENCE] })
      const told = svids.map(({ spiffe_id: id, hint }) => `${String(id)} ${String(hint)}`)
      expectEqual(told.join(), identities.map((each) => each.join(' ')).join(), 'the tokens')
    },
  },
  refusedAnswer(
    'JF-4',
    'without an identity there is no token',
    'Workload Endpoint §6 (62)',
    () => ({ code: status.PERMISSION_DENIED }),
    'optional',
  ),
]

export const fetchedAnswers: readonly ConformanceCase[] = [
  refusedAnswer(
    'FETCH-1/no-svids',
    'an answer without tokens is refused',
    'Workload API §4.5 (68)',
    () => ({ svids: [] }),
  ),
  refusedAnswer(
    'FETCH-1/no-spiffe-id',
    'an answer without a SPIFFE ID is refused',
    'Workload API §4.5 (68)',
    (scene) => ({ svids: [{ ...scene.entry(HARNESS_ID, [AUDIENCE]), spiffeId: '' }] }),
  ),
  refusedAnswer(
    'FETCH-1/no-token',
    'an answer with an empty token is refused',
    'Workload API §4.5 (68)',
    () => ({ svids: [{ spiffeId: HARNESS_ID, svid: '', hint: '' }] }),
  ),
  refusedAnswer(
    'FETCH-2/identity',
    'a token that names another identity than its entry is refused',
    'Workload API §6.2.1',
    (scene) => ({ svids: [{ ...scene.entry(HARNESS_ID, [AUDIENCE]), spiffeId: OTHER_ID }] }),
  ),
  refusedAnswer(
    'FETCH-2/audience',
    'a token for others than were asked for is refused',
    'JWT-SVID §3.2',
    (scene) => ({ svids: [scene.entry(HARNESS_ID, ['ledger'])] }),
  ),
  refusedAnswer(
    'FETCH-2/expired',
    'a token that has expired is refused',
    'JWT-SVID §3.3',
    (scene) => ({
      svids: [{ spiffeId: HARNESS_ID, svid: scene.signer.token({ claims: expired() }), hint: '' }],
    }),
  ),
  refusedAnswer('FETCH-2/form', 'a token that is no JWT is refused', 'JWT-SVID §2', () => ({
    svids: [{ spiffeId: HARNESS_ID, svid: 'not-a-token', hint: '' }],
  })),
]

function claimsOf(token: unknown): Readonly<Record<string, unknown>> {
  const part = String(token).split('.')[1] ?? ''
  return JSON.parse(Buffer.from(part, 'base64url').toString()) as Record<string, unknown>
}

function sorted(names: unknown): string {
  return Array.isArray(names) ? names.map(String).toSorted().join(' ') : String(names)
}
