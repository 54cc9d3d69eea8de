/**
 * What is mutated, in runs that each have their tests, and the part of the project that it counts for.
 * Paths lead from the root of the project.
 */

const compiled = (folder, names) => names.map((name) => `${folder}/dist/${name}`)

const READING_TESTS = [
  ...compiled('packages/spiffe', ['der', 'id', 'x509', 'svid']),
  ...compiled('packages/spiffe', [
    'verify/algorithms.test.js',
    'verify/anchors.test.js',
    'verify/edges.test.js',
    'verify/encodings.test.js',
    'verify/extensions.test.js',
    'verify/name-constraints.test.js',
    'verify/hostile-input.test.js',
  ]),
  ...compiled('test', [
    'rules/spiffe-id.test.js',
    'rules/svid-shape.test.js',
    'rules/revocation.test.js',
  ]),
]

/** The quick ones first: the first that fails ends the run of a mutant. */
const VERIFYING_TESTS = [
  ...compiled('packages/spiffe', [
    'verify/anchors.test.js',
    'verify/path-length.test.js',
    'verify/extensions.test.js',
    'verify/edges.test.js',
    'verify/encodings.test.js',
    'verify/policies.test.js',
    'verify/name-constraints.test.js',
  ]),
  'test/dist/rules/clock-skew.test.js',
  'test/dist/rules/revocation.test.js',
  'packages/spiffe/dist/svid',
  'test/dist/rules/svid-shape.test.js',
  'packages/spiffe/dist/verify',
  'test/dist/rules/svid-validation.test.js',
]

const INTEGRATION = 'packages/authz/dist/integration'

/** The quick ones first. */
const DECIDING_TESTS = [
  'packages/policy/dist/evaluation',
  'packages/policy/dist/principals',
  'packages/policy/dist/rules',
  'packages/policy/dist/decision-point',
  'test/dist/policy-adapter',
  ...[
    'hook',
    'stale-decision',
    'tenants',
    'explain',
    'explain-request',
    'nobody',
    'attributes',
    'devices',
    'decision-log',
    'engine',
    'prefixes',
    'jwt-claims',
    'token-faults',
    'policy',
  ].map((name) => `${INTEGRATION}/${name}.test.js`),
  'packages/authz/dist/authz.test.js',
  ...['chain-audit', 'chain-rules', 'jwt-callers', 'san-rules'].map(
    (name) => `test/dist/authz/${name}.test.js`,
  ),
]

const CACHE_TESTS = [
  'packages/policy/dist/cache',
  ...['stale-decision', 'engine'].map((name) => `${INTEGRATION}/${name}.test.js`),
]

export const runs = {
  reading: {
    part: 'verifier',
    package: 'spiffe',
    mutate: [
      'packages/spiffe/src/der/reader.ts',
      'packages/spiffe/src/id/{spiffe-id,syntax}.ts',
      'packages/spiffe/src/x509/{certificate,extension-list,extensions,general-name,key-usage}.ts',
      'packages/spiffe/src/x509/{name-constraints,revocation-list,subtree-base}.ts',
    ],
    tests: READING_TESTS,
    mutantsPerProcess: 0,
  },
  verifying: {
    part: 'verifier',
    package: 'spiffe',
    mutate: ['packages/spiffe/src/verify/*.ts'],
    tests: VERIFYING_TESTS,
    mutantsPerProcess: 0,
    testTimeoutMs: 10_000,
  },
  // What these leave open after a failure would be seen by the tests of the next mutant.
  acceptor: {
    part: 'acceptor',
    package: 'tls',
    mutate: ['packages/tls/src/server/acceptor.ts', 'packages/tls/src/peer/*.ts'],
    // The quick ones first: the first that fails ends the run of a mutant.
    tests: compiled('packages/tls', [
      'peer/binding.test.js',
      'peer/claimed-id.test.js',
      'peer/verifier.test.js',
      'server/acceptor.test.js',
      'server/closing.test.js',
      'server/handshake-failures.test.js',
      'server/svid-tls-server.test.js',
      'server/acceptance.test.js',
      'peer',
      'server',
      'client',
      'test-kit',
    ]),
    mutantsPerProcess: 1,
    testTimeoutMs: 8000,
  },
  gate: {
    part: 'gate',
    package: 'peer',
    mutate: ['packages/peer/src/gate/*.ts'],
    tests: ['packages/peer/dist/gate', 'packages/peer/dist'],
    mutantsPerProcess: 1,
    testTimeoutMs: 8000,
  },
  evaluator: {
    part: 'evaluator',
    package: 'policy',
    mutate: [
      'packages/policy/src/evaluation/*.ts',
      'packages/policy/src/principals/{identify,remembering}.ts',
      'packages/policy/src/rules/{compose,decision-key}.ts',
      'packages/policy/src/decision-point/decision-point.ts',
    ],
    tests: DECIDING_TESTS,
    mutantsPerProcess: 0,
    testTimeoutMs: 5000,
  },
  hook: {
    part: 'evaluator',
    package: 'authz',
    mutate: ['packages/authz/src/hook/*.ts'],
    tests: [
      'packages/authz/dist/hook',
      ...['hook', 'stale-decision', 'tenants'].map((name) => `${INTEGRATION}/${name}.test.js`),
      'test/dist/authz/jwt-callers.test.js',
    ],
    mutantsPerProcess: 0,
    testTimeoutMs: 5000,
  },
  cache: {
    part: 'decision cache',
    package: 'policy',
    mutate: ['packages/policy/src/cache/*.ts'],
    tests: CACHE_TESTS,
    mutantsPerProcess: 0,
    // Many mutants leave a caller waiting for ever.
    testTimeoutMs: 5000,
  },
}
