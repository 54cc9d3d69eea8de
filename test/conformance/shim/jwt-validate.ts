import {
  BundleSet,
  SpiffeError,
  type JwtBundle,
  type JwtBundleSource,
} from '@fastify-spiffe/spiffe'
import { verifyJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'
import { WorkloadApiClient } from '@fastify-spiffe/workload-api'
import { rejected, type Answer } from './answer.ts'

/** How long a validation waits for the first bundles. */
const FIRST_BUNDLES_MS = 10_000

/** The JWT bundles of now, as the library's watch yields them. */
export class JwtBundles {
  #current: BundleSet<JwtBundle> | undefined
  readonly #first: Promise<void>
  readonly #followed: JwtBundleSource

  /** @param followed gives the bundles of trust domains that the watch has none of */
  constructor(followed: JwtBundleSource) {
    this.#followed = followed
    this.#first = new Promise((resolve) => void this.#follow(resolve))
  }

  /** What there is, if anything has come. */
  get held(): BundleSet<JwtBundle> | undefined {
    return this.#current?.orElse(this.#followed.jwtBundles)
  }

  /** @throws Error when none have come in time */
  async current(): Promise<BundleSet<JwtBundle>> {
    if (this.#current === undefined) {
      await Promise.race([
        this.#first,
        new Promise((resolve) => setTimeout(resolve, FIRST_BUNDLES_MS).unref()),
      ])
    }
    const { held } = this
    if (held === undefined) throw new Error('no JWT bundles have come')
    return held
  }

  async #follow(onFirst: () => void): Promise<void> {
    try {
      for await (const bundles of new WorkloadApiClient().watchJwtBundles({ onProblem })) {
        this.#current = bundles
        onFirst()
      }
    } catch (error) {
      process.stderr.write(`jwt: ${String(error)}\n`)
    }
  }
}

function onProblem({ message }: Error): void {
  process.stderr.write(`jwt: ${message}\n`)
}

/** Says whose token it is. */
export async function validateJwt(bundles: JwtBundles, body: unknown): Promise<Answer> {
  // Whatever the body holds is for the library to judge.
  const { token, audience } = body as { readonly token: string; readonly audience: string }
  try {
    const verification = await verifyJwtSvid(token, await bundles.current(), { audience })
    if (!verification.ok) {
      const { code, message } = verification
      return { code: 422, body: { status: 'rejected', code, message } }
    }
    const { spiffeId, claims } = verification.svid
    return { code: 200, body: { status: 'ok', spiffe_id: spiffeId.toString(), claims } }
  } catch (error) {
    if (error instanceof SpiffeError) return rejected(error)
    throw error
  }
}
