import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import https from 'node:https'
import { buffer } from 'node:stream/consumers'
import {
  BundleSet,
  JwtAuthority,
  JwtBundle,
  type JwtBundleSource,
  type SourceState,
  type TrustDomain,
  type WaitOptions,
} from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'

/** A source of JWT bundles that holds what a test hands it. */
export class ScriptedJwtSource implements JwtBundleSource {
  readonly #updates = new Updates()
  state: SourceState = 'ready'
  jwtBundles: BundleSet<JwtBundle> = BundleSet.of<JwtBundle>()

  set(...bundles: JwtBundle[]): void {
    this.jwtBundles = BundleSet.of(...bundles)
    this.#updates.notify()
  }

  enter(state: SourceState): void {
    this.state = state
    this.#updates.notify()
  }

  get subscriptions(): number {
    return this.#updates.size
  }

  onUpdate(listener: () => void): () => void {
    return this.#updates.onUpdate(listener)
  }

  nextUpdate(options?: WaitOptions): Promise<void> {
    return this.#updates.nextUpdate(options)
  }

  async close(): Promise<void> {
    this.enter('closed')
    this.#updates.close()
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** A JWT bundle with a new authority for each key ID. */
export function jwtBundleOf(trustDomain: TrustDomain, ...keyIds: string[]): JwtBundle {
  const authorities = keyIds.map((kid) => {
    const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
    return JwtAuthority.fromJwk({ ...publicKey.export({ format: 'jwk' }), kid })
  })
  return JwtBundle.of(trustDomain, authorities)
}

export interface Answer {
  readonly status: number | undefined
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly body: Buffer
}

/** Asks on a new connection, without a client certificate, and verifies nobody: it is the answer that is under test. */
export async function ask(
  url: string,
  options: { readonly method?: string; readonly headers?: Record<string, string> } = {},
): Promise<Answer> {
  const request = https.request(url, { ...options, agent: false, rejectUnauthorized: false })
  request.end()
  const [response] = await once(request, 'response')
  const { statusCode: status, headers } = response
  return { status, headers, body: await buffer(response) }
}
