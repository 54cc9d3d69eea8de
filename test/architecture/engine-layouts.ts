import type { PackageLayout } from './package-layout.ts'

/** The policy engines that need a library. */
export const engineLayouts: Readonly<Record<string, PackageLayout>> = {
  'engine-cedar': {
    floor: 3,
    imports: ['spiffe', 'policy'],
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
    imports: ['spiffe', 'policy'],
    rooms: ['tar.ts', 'source.ts', 'module.ts', 'options.ts', 'opa-wasm.ts', 'index.ts'],
  },
  'engine-ext-authz': {
    floor: 3,
    imports: ['spiffe', 'policy', 'tls'],
    rooms: [
      'authorization-descriptor.ts',
      'definition.ts',
      'channel.ts',
      'messages.ts',
      'ext-authz.ts',
      'index.ts',
    ],
  },
}
