import type { TokenProvider } from '@fastify-spiffe/tls'
import { JwtSource } from '@fastify-spiffe/workload-api'

let opened: Promise<JwtSource> | undefined

/** The workload's own tokens, of a source that is opened when one is asked for. */
export const ownTokens: TokenProvider = async (audience) => {
  opened ??= JwtSource.open()
  const { token } = await (await opened).fetchJwtSvid({ audience })
  return token
}
