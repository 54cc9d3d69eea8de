/**
 * The layout of the packages, as plain data. `layout.test.ts` holds every import to it.
 *
 * When an import fails that test, move what is imported down or what imports it up, rather than
 * this order: a folder that needs the folder above it is one concept in two places.
 */

interface PackageLayout {
  readonly floor: 1 | 2 | 3 | 4
  /** The packages that it may import, by the names of their folders. */
  readonly imports: readonly string[]
  /**
   * Its folders, and the files beside them, from the bottom to the top: each imports only from those
   * before it. A folder within a folder has a place of its own.
   */
  readonly rooms: readonly string[]
}

const spiffe = 'spiffe'
const plugins = ['svid', 'peer', 'authz']

export const layout: Readonly<Record<string, PackageLayout>> = {
  spiffe: {
    floor: 1,
    imports: [],
    rooms: [
      'coded-error.ts',
      'errors.ts',
      'describe.ts',
      'option-reader.ts',
      'task-queue.ts',
      'timer.ts',
      'base64.ts',
      'cache',
      'json',
      'der',
      'id',
      'match',
      'x509',
      'bundle',
      'verify',
      'jwt-svid',
      'svid',
      'source',
      'internal.ts',
      'index.ts',
    ],
  },

  policy: {
    floor: 2,
    imports: [spiffe],
    rooms: [
      'errors.ts',
      'deadline.ts',
      'call.ts',
      'hypothetical-call.ts',
      'location.ts',
      'option-readers.ts',
      'version-counter.ts',
      'uri-template.ts',
      'decision',
      'principals',
      'attributes',
      'engines',
      'cache',
      'document',
      'rules',
      'evaluation',
      'rollout',
      'report',
      'decision-log',
      'replicas',
      'replicas/redis',
      'decision-point',
      'engine-kit',
      'http-engines/authzen',
      'http-engines/cerbos',
      'http-engines/opa',
      'jwt',
      'devices',
      'internal',
      'index.ts',
    ],
  },
  'workload-api': {
    floor: 2,
    imports: [spiffe],
    rooms: [
      'errors.ts',
      'endpoint',
      'messages',
      'channel',
      'options.ts',
      'watch',
      'client.ts',
      'source',
      'index.ts',
    ],
  },
  tls: {
    floor: 2,
    imports: [spiffe],
    rooms: [
      'rejection.ts',
      'errors.ts',
      'options.ts',
      'peer',
      'context',
      'client',
      'server',
      'internal.ts',
      'index.ts',
      'test-kit',
    ],
  },
  authority: {
    floor: 2,
    imports: [spiffe],
    rooms: [
      'errors.ts',
      'options.ts',
      'schedule.ts',
      'minting',
      'workload',
      'endpoint',
      'source',
      'authority',
      'index.ts',
    ],
  },
  'plugin-kit': {
    floor: 3,
    imports: [spiffe, 'tls'],
    rooms: [
      'caller-types.ts',
      'chain-types.ts',
      'presented-chain.ts',
      'fastify-option-names.ts',
      'outermost.ts',
      'refusal-log.ts',
      'unenforced-rules.ts',
      'index.ts',
    ],
  },

  'engine-cedar': {
    floor: 3,
    imports: [spiffe, 'policy'],
    rooms: [
      'plain-data.ts',
      'source.ts',
      'request.ts',
      'parse.ts',
      'prepared-policy-pool.ts',
      'policies.ts',
      'events.ts',
      'crash-guard.ts',
      'options.ts',
      'cedar.ts',
      'index.ts',
    ],
  },
  'engine-opa-wasm': {
    floor: 3,
    imports: [spiffe, 'policy'],
    rooms: ['tar.ts', 'source.ts', 'module.ts', 'options.ts', 'opa-wasm.ts', 'index.ts'],
  },
  'engine-ext-authz': {
    floor: 3,
    imports: [spiffe, 'policy', 'tls'],
    rooms: [
      'authorization-descriptor.ts',
      'definition.ts',
      'channel.ts',
      'messages.ts',
      'ext-authz.ts',
      'index.ts',
    ],
  },

  fetch: {
    floor: 3,
    imports: [spiffe, 'tls'],
    rooms: [
      'errors.ts',
      'undici.ts',
      'chain-headers.ts',
      'options.ts',
      'connector.ts',
      'origin-pool.ts',
      'origin-pools.ts',
      'bound-fetch.ts',
      'dispatcher.ts',
      'index.ts',
    ],
  },
  svid: {
    floor: 3,
    imports: [spiffe, 'tls', 'plugin-kit'],
    rooms: ['errors.ts', 'options.ts', 'log', 'served-svid.ts', 'plugin.ts', 'server', 'index.ts'],
  },
  peer: {
    floor: 3,
    imports: [spiffe, 'tls', 'plugin-kit'],
    rooms: [
      'errors.ts',
      'request',
      'gate',
      'options.ts',
      'registrations.ts',
      'plugin.ts',
      'index.ts',
      'test-kit',
    ],
  },
  chain: {
    floor: 3,
    imports: [spiffe, 'tls', 'plugin-kit'],
    rooms: [
      'errors.ts',
      'refusal.ts',
      'events.ts',
      'options.ts',
      'matchers.ts',
      'call-chain.ts',
      'wire',
      'verify',
      'send',
      'context',
      'chains.ts',
      'forwarded',
      'fastify-fields.ts',
      'request-slot.ts',
      'relayed-body.ts',
      'plugin.ts',
      'forwarded-plugin.ts',
      'index.ts',
      'test-kit',
    ],
  },
  authz: {
    floor: 3,
    imports: [spiffe, 'policy', 'tls', 'plugin-kit'],
    rooms: [
      'uncovered-route.ts',
      'errors.ts',
      'call',
      'routing',
      'routes',
      'route-coverage',
      'options.ts',
      'authz.ts',
      'hook',
      'unprovable.ts',
      'plugin.ts',
      'index.ts',
    ],
  },

  grpc: {
    floor: 3,
    imports: [spiffe, 'policy', 'tls'],
    rooms: ['errors.ts', 'option-reader.ts', 'call', 'health', 'server', 'client', 'index.ts'],
  },

  'fastify-spiffe': {
    floor: 4,
    imports: [spiffe, 'policy', 'workload-api', 'tls', 'grpc', 'fetch', ...plugins, 'chain'],
    rooms: ['plugin.ts', 'index.ts', 'reexports'],
  },
  cli: {
    floor: 4,
    imports: [spiffe, 'policy', 'authority', 'workload-api', 'tls', ...plugins],
    rooms: [
      'usage.ts',
      'duration.ts',
      'context.ts',
      'command.ts',
      'dev.ts',
      'table.ts',
      'table-diff.ts',
      'run.ts',
      'main.ts',
    ],
  },
}
