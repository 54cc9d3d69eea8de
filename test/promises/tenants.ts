import { promise, tests, type Promised } from './promised.ts'

export const tenants: readonly Promised[] = [
  promise(
    'A tenant reaches no data of another by the route, the host or a header, nor by a name that looks alike.',
    tests(
      'packages/authz/src/integration/tenants.test.ts',
      'admits a caller of %s: %s for %s is %i',
      'by a header compares that header, which must be there',
      'by host compares the first label with the slug of the tenant',
    ),
    tests(
      'packages/authz/src/authz.test.ts',
      'are a trust domain and a segment, byte for byte',
      'do not share decisions, however alike their names',
    ),
  ),
  promise(
    'A tenant takes from no other tenant, and a trust domain from no other, the cache, stale decisions, accounts, an engine, or its place in the decision log.',
    tests(
      'packages/authz/src/integration/noisy-tenants.test.ts',
      'forgets nothing of a trust domain for the names of another',
      'is not forgotten while anything is under way on it',
      'is not busy for others with the questions of a %s',
    ),
    tests(
      'packages/policy/src/decision-log/waiting-records.test.ts',
      'of a tenant that has most of them give way to those of others',
      'of ever new names of a trust domain give way to those of another',
    ),
  ),
  promise(
    'A tenant whose requests make an engine fail closes the engine to nobody else; an engine that is down for all is left alone.',
    tests(
      'packages/policy/src/engines/tenant-breakers.test.ts',
      'open for the tenant that makes it fail, and for no other',
      'shed an engine that is down for all, however seldom each tenant asks',
    ),
  ),
  promise(
    'A forged, late, repeated, lost or foreign message of another replica makes nobody use an outdated decision.',
    tests(
      'packages/authz/src/integration/replicas.test.ts',
      'believe no message that was signed %s, count it and warn once',
      'do nothing about a message that is sent again',
      'forget everything when a message of another was lost: by its next heartbeat',
    ),
    tests(
      'packages/policy/src/replicas/message.test.ts',
      'that was signed with %s is none',
      'with %s is none',
    ),
  ),
  promise(
    'A bus that refuses writes, hangs or brings nothing is noticed, what is pending is published later, and nothing remembered is used beyond `maxStaleMs`.',
    tests(
      'packages/authz/src/integration/redis-bus.test.ts',
      'is out of touch while its server %s: what is pending shows, and is published afterwards',
      'is out of touch while the server hangs, and in touch afterwards',
      'is deaf where the connection to listen with goes nowhere, and listens anew',
    ),
    tests(
      'packages/authz/src/integration/replicas.test.ts',
      'use nothing that they remember while the bus %s for too long, and again afterwards',
    ),
  ),
  promise(
    'Replicas take over policies forwards only and by content; a document of code gives way to no file that was there before it.',
    tests(
      'packages/authz/src/integration/policy-agreement.test.ts',
      'never go back for a message that is sent again, though the file is behind',
      'that code has put in force give way to no file that was there before, though another replica reads it later',
    ),
    tests(
      'packages/policy/src/rollout/active-policy.test.ts',
      'stays for what the file held before it, though nobody had read that',
    ),
  ),
]
