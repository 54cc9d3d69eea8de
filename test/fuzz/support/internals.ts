import { fileURLToPath } from 'node:url'

const PACKAGES = new URL('../../../../packages/', import.meta.url)

/**
 * A module inside a package, which its `exports` do not name: readers are fuzzed where they read, without what stands
 * around them. The type is that of the source.
 */
export async function internal<T>(path: string): Promise<T> {
  return (await import(fileURLToPath(new URL(path, PACKAGES)))) as T
}

export type DerReaderModule = typeof import('../../../packages/spiffe/src/der/reader.ts')
export type DerValuesModule = typeof import('../../../packages/spiffe/src/der/values.ts')
export type DerTimeModule = typeof import('../../../packages/spiffe/src/der/time.ts')
export type ObjectIdentifierModule =
  typeof import('../../../packages/spiffe/src/der/object-identifier.ts')
export type DecodeModule = typeof import('../../../packages/workload-api/src/messages/decode.ts')
export type ContextModule =
  typeof import('../../../packages/workload-api/src/messages/x509-context.ts')
export type BundlesModule = typeof import('../../../packages/workload-api/src/messages/bundles.ts')
export type DecodeJwtModule =
  typeof import('../../../packages/workload-api/src/messages/decode-jwt.ts')
export type JwtSvidsModule =
  typeof import('../../../packages/workload-api/src/messages/jwt-svids.ts')
export type JwtBundlesModule =
  typeof import('../../../packages/workload-api/src/messages/jwt-bundles.ts')
export type JwtValidationModule =
  typeof import('../../../packages/workload-api/src/messages/jwt-validation.ts')
export type DefinitionModule =
  typeof import('../../../packages/workload-api/src/channel/definition.ts')
export type PolicyModule = typeof import('../../../packages/policy/src/document/policy.ts')
export type KeyModule = typeof import('../../../packages/policy/src/rules/decision-key.ts')
export type NetworksModule = typeof import('../../../packages/policy/src/attributes/addresses.ts')
export type AddressModule = typeof import('../../../packages/authz/src/call/address.ts')
export type HopTokenModule = typeof import('../../../packages/chain/src/wire/token.ts')
export type ForwardedModule =
  typeof import('../../../packages/chain/src/forwarded/forwarded-verifier.ts')
