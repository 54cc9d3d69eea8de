import { Federation, FederationError, type FollowedTrustDomain } from '@fastify-spiffe/federation'
import type { Answer } from './answer.ts'

/** The body of `/v2/federation/follow`. */
interface FollowCall {
  readonly trustDomain: string
  readonly url: string
  readonly profile: 'https_web' | 'https_spiffe'
  readonly endpointSpiffeId?: string
  readonly bundle?: string
  readonly webCa?: string
}

/** `POST /v2/federation/follow`: follows an endpoint; one whose first fetch is not taken is not followed. */
export async function follow(
  federation: Federation,
  { trustDomain, url, profile, endpointSpiffeId, bundle, webCa }: FollowCall,
): Promise<Answer> {
  return refusing(async () => {
    const status = await federation.follow({
      trustDomain,
      url,
      profile,
      ...(endpointSpiffeId !== undefined && { endpointSpiffeId }),
      ...(bundle !== undefined && { bundle }),
      ...(webCa !== undefined && { ca: webCa }),
    })
    const { state, lastFailure } = status
    if (state === 'ready' || lastFailure === null) return answerOf(status)
    await federation.unfollow(trustDomain)
    throw new FederationError(lastFailure.code, lastFailure.message)
  })
}

/** `POST /v2/federation/refresh`: fetches once, and says what is held then. */
export async function refresh(
  federation: Federation,
  { trustDomain }: Pick<FollowCall, 'trustDomain'>,
): Promise<Answer> {
  return refusing(async () => answerOf(await federation.refresh(trustDomain)))
}

/** `POST /v2/federation/stop`: follows it no more. */
export async function stop(
  federation: Federation,
  { trustDomain }: Pick<FollowCall, 'trustDomain'>,
): Promise<Answer> {
  return refusing(async () => {
    await federation.unfollow(trustDomain)
    return { code: 200, body: { status: 'ok' } }
  })
}

function answerOf(status: FollowedTrustDomain): Answer {
  const { sequence, x509Authorities: x509, jwtAuthorities: jwt, state, lastFailure } = status
  const held = { sequence, x509, jwt, state, code: lastFailure?.code ?? null }
  return { code: 200, body: { status: 'ok', ...held } }
}

async function refusing(act: () => Promise<Answer>): Promise<Answer> {
  try {
    return await act()
  } catch (error) {
    if (!(error instanceof FederationError)) throw error
    const { code, message } = error
    return { code: 422, body: { status: 'rejected', code, message } }
  }
}
