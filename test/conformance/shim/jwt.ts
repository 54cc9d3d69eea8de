import {
  BundleSet,
  SpiffeError,
  withFallbackJwtBundles,
  type JwtBundle,
  type JwtBundleSource,
} from '@fastify-spiffe/spiffe'
import { verifyJwtSvid, type JwtBundleHolder } from '@fastify-spiffe/spiffe/jwt-svid'
import { JwtSource, WorkloadApiClient, WorkloadApiError } from '@fastify-spiffe/workload-api'
import { failed, rejected, type Answer } from './answer.ts'

/** How long a command waits for the first JWT bundles. */
const FIRST_BUNDLES_MS = 10_000
/** As long as the process lives: the wait of a command is limited by itself. */
const OPEN_MS = 2 ** 31 - 1

/** What the library has for JWT-SVIDs. It calls the Workload API when the first command needs it. */
export class Jwt {
  #client: WorkloadApiClient | undefined
  #opening: Promise<JwtBundleSource> | undefined
  readonly #followed: JwtBundleSource

  /** @param followed gives the bundles of trust domains of which the Workload API has none */
  constructor(followed: JwtBundleSource) {
    this.#followed = followed
  }

  get client(): WorkloadApiClient {
    return (this.#client ??= new WorkloadApiClient())
  }

  /** @throws Error when the first bundles do not come in time */
  async source(waitMs: number = FIRST_BUNDLES_MS): Promise<JwtBundleSource> {
    this.#opening ??= this.#open()
    const late = new Promise<undefined>((resolve) => {
      setTimeout(() => resolve(undefined), waitMs).unref()
    })
    const opened = await Promise.race([this.#opening, late])
    if (opened === undefined) throw new Error('no JWT bundles have come')
    return opened
  }

  /** What has the bundles of each moment: none before the first have come, for which it waits so long at most. */
  async held(waitMs: number): Promise<JwtBundleHolder> {
    let source: JwtBundleSource | undefined
    const opening = this.source(OPEN_MS).then((opened) => (source = opened))
    await Promise.race([
      opening.catch(report),
      new Promise((resolve) => setTimeout(resolve, waitMs).unref()),
    ])
    const none = BundleSet.of<JwtBundle>()
    return {
      get jwtBundles() {
        return source?.jwtBundles ?? none
      },
    }
  }

  async #open(): Promise<JwtBundleSource> {
    const source = await JwtSource.open({ timeoutMs: OPEN_MS, onProblem: report })
    return withFallbackJwtBundles(source, this.#followed)
  }
}

function report({ message }: Error): void {
  process.stderr.write(`jwt: ${message}\n`)
}

/** `POST /v1/jwt/validate`: whose token it is. */
export async function validateJwt(jwt: Jwt, body: unknown): Promise<Answer> {
  // Whatever the body holds is for the library to judge.
  const { token, audience } = body as { readonly token: string; readonly audience: string }
  const { jwtBundles } = await jwt.source()
  try {
    const verification = await verifyJwtSvid(token, jwtBundles, { audience })
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

interface FetchBody {
  readonly audience: readonly string[]
  readonly spiffe_id?: string
}

/** What the library found wrong with the request, or with what the Workload API answered. */
const REFUSALS: ReadonlySet<string> = new Set([
  'invalid-option',
  'invalid-message',
  'invalid-svid',
  'limit-exceeded',
  'no-identity',
  'invalid-request',
])

/** `POST /v1/jwt/fetch`: the tokens of this workload, by one call of the library. */
export async function fetchJwt(jwt: Jwt, body: unknown): Promise<Answer> {
  const { audience, spiffe_id: spiffeId } = body as FetchBody
  try {
    const svids = await jwt.client.fetchJwtSvids({
      audience,
      ...(spiffeId !== undefined && spiffeId !== '' && { spiffeId }),
    })
    const fetched = svids.map(({ spiffeId: id, token, hint }) => ({
      spiffe_id: id.toString(),
      token,
      hint,
    }))
    return { code: 200, body: { status: 'ok', svids: fetched } }
  } catch (error) {
    if (!(error instanceof WorkloadApiError)) return failed(error)
    const { code, body: why } = REFUSALS.has(error.code) ? rejected(error) : failed(error)
    return { code, body: { ...why, code: error.code } }
  }
}
