import { engineLayouts } from './engine-layouts.ts'
import { federationLayout, tufSourceLayout } from './bundle-sources-layout.ts'
import type { PackageLayout } from './package-layout.ts'
import { libraryLayout } from './library-layout.ts'

/**
 * The layout of the packages, as plain data. `layout.test.ts` holds every import to it.
 *
 * When an import fails that test, move what is imported down or what imports it up, rather than
 * this order: a folder that needs the folder above it is one concept in two places.
 */

const spiffe = 'spiffe'
const plugins = ['svid', 'peer', 'authz']

export const layout: Readonly<Record<string, PackageLayout>> = {
  ...libraryLayout,
  'plugin-kit': {
    floor: 3,
    imports: [spiffe, 'tls'],
    rooms: [
      'bearer-challenge.ts',
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

  ...engineLayouts,

  fetch: {
    floor: 3,
    imports: [spiffe, 'tls'],
    rooms: [
      'errors.ts',
      'undici.ts',
      'chain-headers.ts',
      'options.ts',
      'connector.ts',
      'fail-request.ts',
      'origin-pool.ts',
      'origin-pools.ts',
      'bound-fetch.ts',
      'dispatcher.ts',
      'index.ts',
    ],
  },
  federation: federationLayout,
  'tuf-source': tufSourceLayout,
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
      'token',
      'gate',
      'options.ts',
      'registrations.ts',
      'plugin.ts',
      'index.ts',
      'test-kit',
    ],
  },
  health: {
    floor: 3,
    imports: [spiffe, 'tls', 'plugin-kit'],
    rooms: [
      'errors.ts',
      'report.ts',
      'supply.ts',
      'readiness.ts',
      'checks.ts',
      'options.ts',
      'listener.ts',
      'service-health.ts',
      'drain.ts',
      'signals.ts',
      'health.ts',
      'plugin.ts',
      'index.ts',
    ],
  },
  'bundle-endpoint': {
    floor: 3,
    imports: [spiffe, 'tls', 'plugin-kit'],
    rooms: [
      'errors.ts',
      'events.ts',
      'entity-tag.ts',
      'own-bundle.ts',
      'publication.ts',
      'sequence-record.ts',
      'sequence-file.ts',
      'report.ts',
      'publisher.ts',
      'options.ts',
      'sources.ts',
      'plugin.ts',
      'index.ts',
    ],
  },
  ocsp: {
    floor: 3,
    imports: [spiffe, 'tls', 'plugin-kit'],
    rooms: [
      'errors.ts',
      'certificate',
      'request',
      'transport',
      'verify',
      'events.ts',
      'report.ts',
      'store',
      'settings.ts',
      'options.ts',
      'staple',
      'client',
      'plugin.ts',
      'index.ts',
    ],
  },
  chain: {
    floor: 3,
    imports: [spiffe, 'tls', 'plugin-kit'],
    rooms: [
      'errors.ts',
      'certified-id.ts',
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
    imports: [
      spiffe,
      'policy',
      'workload-api',
      'tls',
      'grpc',
      'fetch',
      'federation',
      'file-source',
      ...plugins,
      'chain',
    ],
    rooms: ['plugin.ts', 'index.ts', 'reexports'],
  },
  cli: {
    floor: 4,
    imports: [spiffe, 'policy', 'authority', 'workload-api', 'tls', 'tuf-source', ...plugins],
    rooms: [
      'usage.ts',
      'duration.ts',
      'context.ts',
      'tuf-command.ts',
      'command.ts',
      'dev.ts',
      'table.ts',
      'table-diff.ts',
      'tuf.ts',
      'run.ts',
      'main.ts',
    ],
  },
}
