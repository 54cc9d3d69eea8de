import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { openBundlePart } from './bundle-part.ts'
import { openGrpcPort } from './grpc-port.ts'
import { openHttpPart } from './http-part.ts'
import { openJwtPart } from './jwt-part.ts'
import type { Jwt } from './jwt.ts'

/** Opens a listener, and resolves with its port. */
type OpenPart = (source: X509MaterialSource, jwt: Jwt) => Promise<number>

/** By the name of a part: the line that announces its port, and what opens it. */
const PARTS: ReadonlyMap<string, readonly [string, OpenPart]> = new Map([
  ['bundle', ['SPIFFE_BUNDLE_PORT', openBundlePart]],
  ['grpc', ['SPIFFE_GRPC_PORT', openGrpcPort]],
  ['http', ['SPIFFE_HTTP_PORT', openHttpPart]],
  ['jwt-http', ['SPIFFE_JWT_PORT', openJwtPart]],
])

/** Opens the listeners that `SPIFFE_HARNESS_PARTS` names, and returns the lines that announce them. A part that does not exist has none. */
export async function openParts(source: X509MaterialSource, jwt: Jwt): Promise<string[]> {
  const names = (process.env['SPIFFE_HARNESS_PARTS'] ?? '').split(',')
  return Promise.all(
    names.flatMap((name) => {
      const part = PARTS.get(name.trim())
      return part === undefined ? [] : [part[1](source, jwt).then((port) => `${part[0]}=${port}`)]
    }),
  )
}
