import { GrpcError, GrpcServer } from '@fastify-spiffe/grpc'
import type { RouteRule } from '@fastify-spiffe/policy'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { ServiceDefinition } from '@grpc/grpc-js'
import { identityDefinition, identityService } from './grpc-service.ts'

/** Of a server that refuses to start, because a method has no rule. */
const UNCOVERED = 3

const METHODS = ['Who', 'Ticks', 'Sum', 'Echo'] as const

/** Opens the port of the gRPC server on the live SVID. */
export async function openGrpcPort(source: X509MaterialSource): Promise<number> {
  const server = await GrpcServer.open({ source })
  server.addService(definition(), identityService, {
    methods: Object.fromEntries(METHODS.map((name) => [name, rule()])),
  })
  const { port } = await server.listen({ port: 0 }).catch(endWhereUncovered)
  return port
}

function endWhereUncovered(error: unknown): never {
  if (!(error instanceof GrpcError) || error.code !== 'uncovered-methods') throw error
  process.stderr.write(`${error.message}\n`)
  process.exit(UNCOVERED)
}

/** No rule names the method `Secret`. */
function definition(): ServiceDefinition {
  const { Secret: _, ...covered } = identityDefinition
  return process.env['HARNESS_COVERED'] === '1' ? covered : identityDefinition
}

function rule(): RouteRule {
  const callers = (process.env['HARNESS_ALLOW'] ?? '').split(' ').filter((each) => each !== '')
  return callers.length === 0 ? { anyAuthenticated: true } : { allow: callers }
}
