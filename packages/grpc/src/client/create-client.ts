import { type ChannelCredentials, type ClientOptions, credentials } from '@grpc/grpc-js'
import { type SvidChannelOptions } from './options.ts'
import { SvidChannel } from './svid-channel.ts'

/** A class of clients, generated or made by `makeClientConstructor` and `loadPackageDefinition`. */
export type GrpcClientClass<C> = new (
  address: string,
  credentials: ChannelCredentials,
  options?: ClientOptions,
) => C

/** Options of {@link createGrpcClient}: those of {@link SvidChannel}, and of the client. */
export interface GrpcClientOptions extends SvidChannelOptions {
  /** Options of the client itself, such as `interceptors`. Default: none. */
  readonly client?: Pick<
    ClientOptions,
    'interceptors' | 'interceptor_providers' | 'callInvocationTransformer'
  >
}

/**
 * Makes a client of a gRPC service that presents the SVID of a source, and calls only a server that has proven a SPIFFE ID
 * which `server` matches. `close()` of the client closes its channel.
 *
 * @param Client its class
 * @throws {@link GrpcError} `unknown-option`, `invalid-option`
 * @throws `TlsError` `invalid-option`
 */
export function createGrpcClient<C>(Client: GrpcClientClass<C>, options: GrpcClientOptions): C {
  const { client, ...ofChannel } = options
  const channelOverride = new SvidChannel(ofChannel)
  // Clients demand credentials, and do not use them beside a channel of their own.
  const unused = credentials.createInsecure()
  return new Client(options.target, unused, { ...client, channelOverride })
}
