import { promise, tests, type Promised } from './promised.ts'

const attacks = 'packages/chain/src/attacks.test.ts'
const rules = 'test/authz/chain-rules.test.ts'

export const chains: readonly Promised[] = [
  promise(
    'No service on the way of a call can invent, drop, add, exchange or repeat a hop, and no copy of a chain is of use to anybody else.',
    tests(
      attacks,
      'B signs the token of A with its own key, naming the certificate of A',
      'a third workload presents a stolen chain on its own connection, also one that is known',
      'what was for C is replayed to D, by anyone, although D has the same bundles',
      'C drops A',
      'B grafts another origin, who did give it a token, before its own',
    ),
  ),
  promise(
    'A token of a chain has one spelling, and its key alone says how it is signed.',
    tests(attacks, 'a header with %s', 'claims with %s', 'alg %s with a key on P-256'),
  ),
  promise(
    'A chain ends with the first of its tokens, and at once when the trust in one of its certificates ends, whatever is remembered of it.',
    tests(
      attacks,
      'a chain that is known ends when its token does',
      'the authority left the bundle after the verdict was remembered',
      'a revocation ends a chain that is known',
    ),
  ),
  promise(
    'Over HTTP and gRPC, on real SPIRE, a chain of four hops loses no call while the SVIDs of all of them rotate.',
    tests(
      'test/spire/chain.test.ts',
      'a chain over HTTP, HTTP, gRPC and HTTP names all hops at the last, and no call fails while all SVIDs rotate',
    ),
  ),
  promise(
    'A chain only restricts: it lets in no caller that the rule does not allow, and leaving it out gains nothing.',
    tests(
      rules,
      'refuses the caller that strips the chain, or calls for itself or for another',
      'adds nothing: a caller that is not allowed stays refused, whoever it calls for',
      'names a workload in each seat, with and without onBehalfOf',
      'are in the key of a cached decision, and it ends with the chain',
    ),
  ),
  promise(
    'Nobody receives a token whom `handTo` does not name, and nothing is sent in place of a chain that cannot be continued.',
    tests(
      'packages/chain/src/send/chain-sender.test.ts',
      'for an audience that handTo does not name, which is everybody by default',
      'for a chain that ends within 5 s, or that is not trusted any more, whether or not it was continued before',
      'for a copy of a chain, which has none of its tokens',
    ),
  ),
  promise(
    'A relay cannot change the method, the target or the body of a call that it passes on, nor repeat it to the same process; and it cannot invent one.',
    tests(
      'packages/chain/src/relays.test.ts',
      'a peer that is not listed presents the token',
      'the token is for no request, also when it is known from its signer',
      'the request has %s',
      'the token comes again, also with another signature that is as good',
    ),
    tests(
      'test/e2e/chain-relay.test.ts',
      'is refused when it is another, has more or less, or none is left',
      'is refused when nobody has digested it',
    ),
  ),
  promise(
    'The client of a proxy is known by a certificate that was verified again, from listed proxies only, and counts where a rule accepts that evidence.',
    tests('packages/chain/src/forwarded-plugin.test.ts', '%s: %s'),
    tests(rules, 'of a proxy is accepted by a rule that says so, and by no other'),
  ),
]
