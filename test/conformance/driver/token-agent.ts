import { mintRootCa } from '@fastify-spiffe/authority'
import type { status } from '@grpc/grpc-js'
import { ScriptedAgent as FakeAgent, type AgentCall } from '@fastify-spiffe-test/kit/scripted-agent'
import { svidMessage } from '@fastify-spiffe-test/kit/workload-messages'
import { HARNESS_ID, TRUST_DOMAIN } from './agent.ts'
import { jwks, type Signer } from './signer.ts'

/** JWT bundles by trust domain: the authorities in them, or a text as it is to be sent. */
export type JwtState = Readonly<Record<string, readonly Signer[] | string>>

/** What the harness asked for. */
export interface TokenQuestion {
  readonly audience: readonly string[]
  /** `''` when no identity was named. */
  readonly spiffeId: string
  /** All values of the security header. */
  readonly header: readonly unknown[]
}

/** `JWTSVIDResponse`, or how the call fails. */
export type TokenAnswer = { readonly svids: readonly object[] } | { readonly code: status }

/** A Workload API that gives the harness an SVID, and the JWT bundles that the case wants. */
export class TokenAgent implements AsyncDisposable {
  readonly #agent: FakeAgent
  readonly #svid: object
  readonly #streams: AgentCall[] = []
  readonly #questions: TokenQuestion[] = []
  #answer: ((question: TokenQuestion) => TokenAnswer) | undefined
  #state: JwtState = {}

  private constructor(agent: FakeAgent, svid: object) {
    this.#agent = agent
    this.#svid = svid
    void this.#attend()
  }

  static async open(): Promise<TokenAgent> {
    const authority = await mintRootCa(TRUST_DOMAIN)
    return new TokenAgent(await FakeAgent.listen(), await svidMessage(authority, HARNESS_ID))
  }

  get address(): string {
    return this.#agent.address
  }

  /** The calls for tokens so far. */
  get questions(): readonly TokenQuestion[] {
    return this.#questions
  }

  /** Answers calls for tokens so, from now on. */
  answerTokens(answer: (question: TokenQuestion) => TokenAnswer): void {
    this.#answer = answer
  }

  /** Sends a state to all streams, and to those that will be opened. */
  publish(state: JwtState): void {
    this.#state = state
    for (const stream of this.#streams) stream.send(this.#message)
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.#agent[Symbol.asyncDispose]()
  }

  get #message(): object {
    const bundles = Object.entries(this.#state).map(([trustDomain, keys]) => {
      const text = typeof keys === 'string' ? keys : jwks(keys)
      return [`spiffe://${trustDomain}`, Buffer.from(text)] as const
    })
    return { bundles: Object.fromEntries(bundles) }
  }

  #give(call: AgentCall): void {
    const { audience = [], spiffeId = '' } = call.request as Partial<TokenQuestion>
    const question = { audience, spiffeId, header: call.header }
    this.#questions.push(question)
    const answer = this.#answer?.(question) ?? { svids: [] }
    if ('code' in answer) call.fail(answer.code)
    else call.send(answer)
  }

  async #attend(): Promise<never> {
    for (;;) {
      const call = await this.#agent.nextCall()
      if (call.method === 'FetchX509SVID') call.send(this.#svid)
      if (call.method === 'FetchJWTSVID') this.#give(call)
      if (call.method !== 'FetchJWTBundles') continue
      this.#streams.push(call)
      call.send(this.#message)
    }
  }
}
