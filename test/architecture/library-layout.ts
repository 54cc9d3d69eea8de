import type { PackageLayout } from './package-layout.ts'
import { policyLayout } from './policy-layout.ts'

const spiffe = 'spiffe'

/** The packages below the plugins, which know nothing of Fastify. */
export const libraryLayout: Readonly<Record<string, PackageLayout>> = {
  spiffe: {
    floor: 1,
    imports: [],
    rooms: [
      'coded-error.ts',
      'errors.ts',
      'describe.ts',
      'objects.ts',
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

  files: {
    floor: 2,
    imports: [spiffe],
    rooms: ['debounce.ts', 'fingerprint.ts', 'folder-watchers.ts', 'file-watcher.ts', 'index.ts'],
  },
  policy: policyLayout,
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
      'tokens',
      'client.ts',
      'source',
      'index.ts',
    ],
  },
  'file-source': {
    floor: 2,
    imports: [spiffe, 'files'],
    rooms: [
      'errors.ts',
      'layouts.ts',
      'access',
      'reading',
      'material',
      'state',
      'options',
      'file-source.ts',
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
}
