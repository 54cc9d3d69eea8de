import { promise, suite, tests, type Promised } from './promised.ts'

const guard = 'packages/policy/src/engines/guard.test.ts'

export const engines: readonly Promised[] = [
  promise(
    'An engine that fails, hangs, or answers anything but `true` lets nobody in, unless `onError` says so.',
    tests(guard, 'the breaker of an engine', 'a missed deadline'),
    tests(
      'packages/authz/src/integration/stale-decision.test.ts',
      'is not used unless it was asked for',
    ),
    suite('test/engines', 'test/engines/README.md'),
  ),
  promise(
    'No answer of a remote engine lets in but an exact allow; one that is killed, hung, slow or restarted refuses, and recovers.',
    tests(
      'test/authz/http-engines.test.ts',
      'lets in by an exact allow, refuses by an exact deny, and keeps the connection',
      'takes %s for a failure, and the next answer for what it is',
    ),
    tests(
      'packages/engine-ext-authz/src/ext-authz.test.ts',
      'ext-authz lets in',
      'ext-authz refuses',
      'ext-authz takes for a failure',
    ),
    tests(
      'test/engines/engines.test.ts',
      'killed: refuses, and recovers once it is there again',
      'hung: refuses at the deadline, and recovers once it runs on',
      'restarted under load: no caller gets in that the policy does not allow',
    ),
  ),
  promise(
    'A decision point is asked with the own SVID, and nobody else is taken for it.',
    tests(
      'test/e2e/authzen.test.ts',
      'a decision point is asked with the own SVID, and knows who asks',
      'nobody else is taken for the decision point, and nothing is sent to them',
    ),
  ),
  promise(
    'A failing Cedar policy refuses, and no request can take Cedar or the process down.',
    tests(
      'packages/engine-cedar/src/cedar.test.ts',
      'refuses when the policy that forbids fails, which Cedar itself lets in',
      'refuses what Cedar cannot read, and is as good as before after any number of such',
    ),
    tests(
      'packages/engine-cedar/src/crash-guard.test.ts',
      'the defect of V8, on Node ${process.versions.node}',
    ),
  ),
  promise(
    'Policies of engines in this process are replaced all at once or not at all.',
    tests(
      'packages/policy/src/engine-kit/reloadable-policies.test.ts',
      'a reload begins when the one before has ended, or older policies could come out on top',
    ),
    tests(
      'packages/engine-opa-wasm/src/opa-wasm.test.ts',
      'decide no request by half, while thousands are under way',
      'stays with the last good policies at %s',
    ),
  ),
]
