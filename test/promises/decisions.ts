import { engines } from './engines.ts'
import { promise, suite, tests, type Promised } from './promised.ts'
import { tenants } from './tenants.ts'

const authz = 'packages/authz/src/authz.test.ts'
const coverage = 'packages/authz/src/route-coverage/coverage.test.ts'
const faults = 'packages/authz/src/integration/token-faults.test.ts'
const peer = 'packages/peer/src/peer.test.ts'

export const decisions: readonly Promised[] = [
  promise(
    'A route without a rule keeps the service from starting, and is refused if it is reached.',
    tests(authz, 'do not boot, and are listed all at once', 'routes without a rule'),
    tests(coverage, 'a route that the router does not print answers nobody'),
  ),
  promise(
    'A rule that no plugin enforces keeps an application on a server of `spiffeServer` from becoming ready.',
    tests(
      'packages/svid/src/svid.test.ts',
      'with a rule that nothing enforces, whatever was registered',
    ),
    tests(peer, 'a rule that nothing enforces'),
  ),
  promise(
    'An application whose plugins stand in a child of their own guards nothing less: routes and not-found handlers outside of it keep it from becoming ready, or answer nobody.',
    tests(
      coverage,
      'routes elsewhere keep the application from becoming ready, with a rule and without',
      'a not-found handler elsewhere is never run, and one within as its rule says',
    ),
    tests(
      'test/e2e/layouts.test.ts',
      'with a plugin that is wrapped guards all routes',
      'with one that is not, and routes that load %s it, does not listen',
    ),
  ),
  promise(
    'A later `onRoute` hook takes no rule away and gives no route the rule of another; a rule that is changed after its route was declared comes into force neither at once nor with a reload.',
    tests(
      coverage,
      'cannot give a route the rule of another',
      'or what is written into a configuration while requests run, lets nobody in',
      'does not come into force with the next policy document',
    ),
  ),
  promise(
    '`protect()` of another copy of the package holds.',
    tests(
      'test/e2e/two-copies.test.ts',
      'protect() of another copy holds, and is refused where it comes too late',
    ),
  ),
  promise(
    'A name of a certificate counts where RFC 9525 says so and a verified leaf has it: no wildcard in another place, no address as a DNS name, no cached decision stands in for it.',
    tests(
      'packages/spiffe/src/x509/subject-alt-names.test.ts',
      'a DNS name (RFC 9525 §6.3)',
      'of four octets is never one of sixteen, and the reverse',
      'is no DNS name, and a DNS name is no address',
    ),
    tests(
      'packages/policy/src/principals/alt-names.test.ts',
      'is never met by a caller without a certificate whose names are known',
    ),
    tests(
      'test/authz/san-rules.test.ts',
      'lets in a caller whose certificate has them, and no other certificate of that caller',
      'of an engine lets in no certificate without the name, although its SPIFFE ID is the same',
      'refuses an application that leaves open of which trust domain the callers are',
    ),
    tests(
      'packages/grpc/src/alt-names.test.ts',
      'a method that demands a name of the certificate refuses before a message is read',
    ),
  ),
  promise(
    'A token proves a caller only if it is good, alone in its header and for this service: a bad one is refused beside any certificate, one that names another workload than the certificate too, and no decision outlives it.',
    tests(
      'packages/peer/src/token/token.test.ts',
      'is refused with %s',
      'is refused where the verifier says %s',
      'is refused once the token has expired, and once its key has left the bundle',
      'is seen by no handler and no log, although the log writes headers',
    ),
    tests(
      'packages/peer/src/token/both-proofs.test.ts',
      'of different ones is refused, unless an option names which decides',
      'is refused for a bad token, whatever decides: %s',
      'is good over a connection with that certificate, and over no other',
    ),
    tests(
      'test/authz/jwt-callers.test.ts',
      'that an engine has made ends with the token, and the next is made anew',
      'is a refusal if the token has expired while the engine was asked',
      'is asked at each call, whatever an engine has decided for the other proof',
      'can continue no chain of calls, although it is its own',
    ),
  ),
  promise(
    'A rule that can name nobody does not boot, and one for a trust domain without a bundle is a warning.',
    tests(
      'packages/authz/src/integration/nobody.test.ts',
      'an entry that can name nobody keeps the application from booting',
    ),
    tests(
      'test/e2e/unprovable-domains.test.ts',
      'trust domains that rules name and that nobody can be proven by are in the log, once for each policy',
    ),
  ),
  promise(
    'A route that can match below a prefix, but is not declared there, takes no rule from another prefix, and admits no caller that the prefix denies.',
    tests(
      'packages/authz/src/integration/prefixes.test.ts',
      'keeps the application from booting while a prefix alone gives its rule: %s',
      'may have a rule of its own, %s, and lets in no caller that the prefix denies',
    ),
    tests(
      'packages/authz/src/routing/url-pattern.test.ts',
      'where a route stands, held against a path',
    ),
  ),
  promise(
    'A request that names several hosts, or a header twice, has no such attribute and is refused.',
    tests(
      'packages/authz/src/call/host.test.ts',
      'is none where it may be several: %s %j',
      'a header that stands twice is seen, whatever its case',
    ),
  ),
  promise(
    'The known ways around such rules are closed.',
    tests(
      'test/authz/bypasses.test.ts',
      'keys of remembered decisions',
      'names and rules',
      'URLs over a real socket',
    ),
  ),
  promise(
    'A decision is not reused for a request that differs in anything that the decision reads, nor for another tenant.',
    tests(
      authz,
      'are not used for another value of a declared attribute: a trusted device lets no other in',
      'do not share decisions, however alike their names',
    ),
    tests('packages/policy/src/rules/condition.test.ts', 'the key of a decision'),
  ),
  promise(
    'A remembered decision does not outlive the caller’s SVID, its TTL or an invalidation.',
    tests(
      'packages/policy/src/cache/decision-cache.test.ts',
      'never longer than the SVID of the caller',
      'an allow for allowTtlMs, to the millisecond',
      '%s during an evaluation: its answer is not believed, the check is repeated',
    ),
  ),
  promise(
    'What a provider returns is never a decision; a used-up quota calls for no stale decision; shadow mode lets in nobody whom an enforced outer rule denies; what only records a decision cannot change it.',
    tests(
      'packages/authz/src/integration/hook.test.ts',
      'is no decision, whatever it looks like',
      'stands in for no quota: the engine did not fail',
      'lets no caller in that an enforced rule around it denies',
      'changes none that is made %s when it fails',
    ),
  ),
  promise(
    'A token that is not good, or missing, refuses the request.',
    tests(
      'packages/authz/src/integration/jwt-claims.test.ts',
      '%s is refused with 401',
      'that is not there is refused, or brings nothing where it is not required',
    ),
  ),
  promise(
    'The log says which rule a token broke, and nothing of the token.',
    tests(faults, 'is in event and log, and not in the answer, of one that %s'),
  ),
  promise(
    'An issuer that fails is asked for its keys at growing intervals, however many tokens come.',
    tests(
      'packages/policy/src/jwt/keys.test.ts',
      'are asked for once, however many tokens come while it fails',
      'are waited for by nobody once the issuer is known to fail, not even while it hangs',
    ),
  ),
  promise(
    'A key that its issuer has withdrawn is believed for 20 minutes at most.',
    tests(
      'packages/authz/src/integration/jwt-claims.test.ts',
      'of a file are read again after ten minutes, and tokens verified again, so that withdrawn keys end',
    ),
  ),
  promise(
    'A key that occurs twice is refused wherever JSON carries a decision.',
    tests('packages/spiffe/src/json/parse-json.test.ts', 'a key that occurs twice is refused: %s'),
    tests(faults, 'is in event and log, and not in the answer, of one that %s'),
    suite('test/fuzz/targets/json.ts', 'test/fuzz/README.md'),
  ),
  promise(
    'A policy document takes effect as a whole or not at all; a bad one leaves the last good one in force.',
    tests(
      'packages/authz/src/integration/policy.test.ts',
      'puts another document in force at once, with its version on every decision',
      'with a document %s leaves the last good one in force',
    ),
  ),
  ...engines,
  ...tenants,
  promise(
    'A gRPC call that its rule refuses reaches no handler, and none of its messages is read; a method without a rule keeps the server from listening.',
    tests(
      'packages/grpc/src/server/grpc-server.test.ts',
      'refuses calls of all four kinds before a handler runs or a message is read',
      'refuses so as well when the decision takes its time',
      'whose authority goes is refused on the connection that it has',
      'with a method that no rule covers, and lists all of them',
    ),
  ),
]
