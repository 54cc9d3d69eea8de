import { promise, suite, tests, type Promised } from './promised.ts'

const validation = 'test/rules/svid-validation.test.ts'
const pathSearch = 'packages/spiffe/src/verify/path-search.test.ts'

export const proofs: readonly Promised[] = [
  promise(
    'Every MUST on SPIFFE IDs and X.509-SVIDs that a validator can check is checked.',
    suite('test/rules', 'test/rules/README.md'),
  ),
  promise(
    'A certificate signed by the authority of another trust domain is refused.',
    tests(
      validation,
      "rule 32: the anchors are those of the peer's own trust domain",
      'rule 33: bundles are not merged when the CAs of two trust domains have one name',
    ),
  ),
  promise(
    'What a peer sends costs bounded work before it is refused.',
    tests(validation, 'the budget'),
    tests(pathSearch, 'look-alikes in the chain'),
    tests(
      'packages/spiffe/src/verify/hostile-input.test.ts',
      'a certificate with changed octets is refused by an error of ours or by the verifier',
    ),
    tests('packages/spiffe/src/x509/name.test.ts', 'a long value'),
  ),
  promise(
    'No chain within the limits costs more than 400 P-256 signature checks, or 4,096 steps.',
    tests(
      pathSearch,
      'are given up where every way through them has to be tried',
      'with dear keys are refused within the budget',
      'are given up where they lead to authorities that certify one another',
    ),
  ),
  promise(
    'A peer may send as many certificates as TLS carries; what they may cost stays 400 signature checks.',
    tests(
      pathSearch,
      'as many as a message of TLS carries, without key identifiers, do not hide a path',
      'of more than 512 certificates are refused before they are read, or of what the budget says',
    ),
    tests(
      'packages/tls/src/peer/many-certificates.test.ts',
      'as many certificates as TLS carries are taken',
    ),
  ),
  promise(
    'What the verifier makes of each rule of RFC 5280 and X509-SVID is written down in [VERIFICATION.md](../packages/spiffe/VERIFICATION.md), and each rule has a test.',
    tests(
      'packages/spiffe/src/verify/verification-table.test.ts',
      'has rows, each with a test',
      '$rule: the tests that it names exist',
    ),
  ),
  promise(
    'No chain of a seeded corpus is accepted that OpenSSL, pkijs and go-spiffe all refuse, except for objections that are [explained one by one](../test/differential/disagreements.md).',
    tests(
      'test/differential/differential.test.ts',
      'nothing is accepted that all other judges refuse',
      'every disagreement is explained',
    ),
  ),
  promise(
    'Whatever comes from outside is read, or refused by the package’s own error, within 10 ms of processor time; no changed chain is accepted that OpenSSL refuses, except by the rules that are named.',
    suite('test/fuzz', 'test/fuzz/README.md'),
  ),
  promise(
    'The tests of verifier, acceptor, gate, evaluator and decision cache notice at least 85 of 100 changes to the code that `parts.mjs` lists.',
    suite('test/mutation', 'test/mutation/survivors.md'),
  ),
  promise(
    'What a current revocation list of its issuer names is refused, on live connections too.',
    tests(
      'test/rules/revocation.test.ts',
      'a leaf that a current list of its issuer names is refused',
      'an intermediate that a list of its issuer names takes all that it issued along',
    ),
    tests(
      'packages/tls/src/server/live-connections.test.ts',
      'disturbs no caller that they do not name, and lets no caller in that they do',
    ),
    tests(
      'test/e2e/revocation.test.ts',
      'hears over the Workload API what is revoked, sends it away, and keeps it out',
    ),
  ),
  promise(
    'A path on which an issuer requires a certificate policy is taken only if one is valid for the whole of it (RFC 5280 §6.1, RFC 9618), with work that grows with what was sent.',
    tests(
      'packages/spiffe/src/verify/policies.test.ts',
      'where an issuer requires a policy',
      'the number of certificates until a policy is required',
    ),
    tests(
      'packages/spiffe/src/verify/policy-mappings.test.ts',
      'policies that are mapped',
      'mapping that is inhibited',
    ),
    tests(
      'packages/spiffe/src/verify/policy-paths.test.ts',
      'a path without a valid policy is no end of the search',
      'the work for policies',
    ),
    tests(
      'test/differential/policies.test.ts',
      'policies are judged as Go judges them, which has the graph of RFC 9618, and nearly as OpenSSL',
    ),
  ),
  promise(
    'An intermediate that names another trust domain is refused, unless `allowIntermediatesOfOtherTrustDomains` lets it in.',
    tests(
      'packages/spiffe/src/verify/foreign-intermediates.test.ts',
      'is refused, unless that is given up in so many words',
    ),
    tests(
      'packages/tls/src/peer/foreign-intermediates.test.ts',
      'is refused by servers, and let in by the option',
      'is refused by clients, and let in by the option, which do not share what they remember',
    ),
  ),
  promise(
    '`clockSkewMs` moves the first and last moment of a peer’s certificates by so much and no more, and what is remembered ends with it.',
    tests(
      'test/rules/clock-skew.test.ts',
      'lets in by so much earlier and longer, to the millisecond, and by default by nothing',
    ),
    tests(
      'packages/tls/src/peer/clock-skew.test.ts',
      'holds for what is remembered and for live connections too, to its end',
      'is never for the own SVID',
    ),
  ),
  promise(
    'Peers that the standards forbid are refused in both roles, as seen from outside: the cases XV, XF, ID and CHAIN.',
    suite('test/conformance', 'test/conformance/README.md'),
  ),
  promise(
    'Peers that others have built are let in and refused by the same rules, on real SPIRE and through rotations.',
    tests(
      'test/interop/interop.test.ts',
      'is let in with the SPIFFE ID that its agent gave it',
      'is refused from a foreign trust domain',
      'refuses a service of a foreign trust domain',
      'calls without a failure while both SVIDs rotate',
    ),
  ),
  promise(
    'Attacks that succeed against plain Node fail here.',
    suite('test/attacks', 'test/attacks/README.md'),
  ),
]
