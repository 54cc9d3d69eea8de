import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { peer } from '@fastify-spiffe/peer'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { afterEach, beforeEach } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, type EngineUse } from '@fastify-spiffe/authz'
import type { EngineRequest } from '@fastify-spiffe/policy'
import type { EnginePolicyEvent, LocalEngine } from '@fastify-spiffe/policy/engine-kit'

const CHANNEL = 'spiffe:authz:engine-policy'

export const WEB: SpiffeId = SpiffeId.parse('spiffe://example.org/acme/web')
export const ROOT: SpiffeId = SpiffeId.parse('spiffe://example.org/ops/root')

/** What a test of an engine in this process works with. */
export interface LocalScene {
  /** The path of a file in a folder of the test's own. */
  readonly pathOf: (name: string) => string
  /** What has been told of policies. */
  readonly told: readonly EnginePolicyEvent[]
  /** Has an engine closed after the test. */
  readonly keep: (engine: LocalEngine) => LocalEngine
  /** Lets nobody listen to what is told. */
  readonly ignore: () => void
}

/** Sets the scene for each test of the file that calls this. */
export function localScene(): LocalScene {
  let directory = ''
  const told: EnginePolicyEvent[] = []
  const engines: LocalEngine[] = []
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the channel's own type
  const listen = (event: unknown): void => void told.push(event as EnginePolicyEvent)
  const ignore = (): void => void unsubscribe(CHANNEL, listen)

  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'authz-policies-'))
    told.length = 0
    subscribe(CHANNEL, listen)
  })
  afterEach(async () => {
    ignore()
    for (const engine of engines.splice(0)) engine.close()
    await rm(directory, { recursive: true, force: true })
  })
  return {
    pathOf: (name) => join(directory, name),
    told,
    keep: (engine) => {
      engines.push(engine)
      return engine
    },
    ignore,
  }
}

/** What is told of policies next. */
export async function nextEvent(): Promise<EnginePolicyEvent> {
  return await new Promise((resolve) => {
    const hear = (event: unknown): void => {
      unsubscribe(CHANNEL, hear)
      // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the channel's own type
      resolve(event as EnginePolicyEvent)
    }
    subscribe(CHANNEL, hear)
  })
}

export function question(
  more: Partial<EngineRequest> & { readonly tenantName?: string } = {},
): EngineRequest {
  const { tenantName = 'acme', ...others } = more
  return {
    spiffeId: WEB,
    tenant: { trustDomain: WEB.trustDomain, name: tenantName },
    method: 'GET',
    route: '/orders/:id',
    attributes: {},
    ...others,
  }
}

/** An application whose route `/orders/:id` asks the engine. */
export async function service(
  engine: LocalEngine,
  more: Partial<Exclude<EngineUse, string>> = {},
): Promise<FastifyInstance> {
  const app = Fastify()
  await app.register(peer)
  await app.register(authz, { tenant: '/{tenant}/{workload}', engines: [engine] })
  const use = { engine: engine.name, maxAgeMs: 0, ...more } as const
  const config = { spiffe: { anyAuthenticated: true, engines: [use] } } as const
  app.route({ method: ['GET', 'PUT'], url: '/orders/:id', config, handler: () => '' })
  return app
}
