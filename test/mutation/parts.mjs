/** What is mutated, and the tests that have to notice. Paths lead from the root of the project. */

const SPIFFE_TESTS = [
  'packages/spiffe/dist/der',
  'packages/spiffe/dist/id',
  'packages/spiffe/dist/x509',
  'packages/spiffe/dist/verify',
  'test/dist/rules/revocation.test.js',
  'test/dist/rules/spiffe-id.test.js',
  'test/dist/rules/svid-shape.test.js',
  'test/dist/rules/svid-validation.test.js',
]

export const parts = {
  verifier: {
    packages: ['spiffe'],
    mutate: [
      'packages/spiffe/src/der/reader.ts',
      'packages/spiffe/src/id/{spiffe-id,syntax}.ts',
      'packages/spiffe/src/x509/{certificate,extension-list,extensions,general-name,key-usage,leaf-profile,name-constraints,revocation-list,subtree-base}.ts',
      'packages/spiffe/src/verify/*.ts',
    ],
    tests: SPIFFE_TESTS,
    mutantsPerProcess: 0,
  },
  acceptor: {
    packages: ['tls'],
    mutate: ['packages/tls/src/server/acceptor.ts', 'packages/tls/src/peer/*.ts'],
    tests: ['peer', 'server', 'client', 'test-kit'].map((folder) => `packages/tls/dist/${folder}`),
    mutantsPerProcess: 1,
  },
  gate: {
    packages: ['peer'],
    mutate: ['packages/peer/src/gate/*.ts'],
    tests: ['packages/peer/dist'],
    mutantsPerProcess: 1,
  },
}
