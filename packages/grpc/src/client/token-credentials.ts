import { callbackify } from 'node:util'
import { type ChannelCredentials, credentials, Metadata, status } from '@grpc/grpc-js'
import { authorizationFrom } from '@fastify-spiffe/tls/internal'
import type { ChannelSettings } from './options.ts'

type Tokens = NonNullable<ChannelSettings['jwt']>

/** Adds a token to each call. gRPC asks for it when the connection of the call is ready, and so its server proven. */
export function withTokens(channel: ChannelCredentials, jwt: Tokens | null): ChannelCredentials {
  if (jwt === null) return channel
  const generate = callbackify(() => metadataFor(jwt))
  const calls = credentials.createFromMetadataGenerator((_call, callback) =>
    generate((error, metadata) => callback(error, metadata)),
  )
  return credentials.combineChannelCredentials(channel, calls)
}

async function metadataFor({ audience, provide }: Tokens): Promise<Metadata> {
  try {
    const metadata = new Metadata()
    metadata.set('authorization', await authorizationFrom(provide, audience))
    return metadata
  } catch {
    // The message of the provider may have anything in it.
    throw Object.assign(new Error('no token for the call'), { code: status.UNAUTHENTICATED })
  }
}
