import type { PackageLayout } from './package-layout.ts'

/** The layout of `federation`, folder by folder. */
export const federationLayout: PackageLayout = {
  floor: 3,
  imports: ['spiffe', 'tls'],
  rooms: [
    'errors.ts',
    'endpoint',
    'status.ts',
    'events.ts',
    'store',
    'follow',
    'options.ts',
    'federated-bundles.ts',
    'federation.ts',
    'internal.ts',
    'index.ts',
  ],
}

/** The layout of `tuf-source`, folder by folder. */
export const tufSourceLayout: PackageLayout = {
  floor: 3,
  imports: ['spiffe', 'federation'],
  rooms: [
    'errors.ts',
    'status.ts',
    'events.ts',
    'fetch',
    'metadata',
    'client',
    'targets',
    'options.ts',
    'store',
    'pinned-root.ts',
    'source-state.ts',
    'held-targets.ts',
    'known.ts',
    'schedule.ts',
    'update-once.ts',
    'tuf-bundle-source.ts',
    'repository',
    'internal.ts',
    'index.ts',
  ],
}
