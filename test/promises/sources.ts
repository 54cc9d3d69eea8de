import { promise, suite, tests, type Promised } from './promised.ts'

const rotation = 'packages/tls/src/server/rotation.test.ts'
const workloadApi = 'test/rules/workload-api.test.ts'

export const sources: readonly Promised[] = [
  promise(
    'An identity that the agent withdraws is no longer presented.',
    tests(
      workloadApi,
      'rule 75: the SVID is not presented any more, until the identity returns',
      'rule 75: an outage that follows does not bring the SVID back',
    ),
    tests(
      'test/spire/withdrawal.test.ts',
      'a service whose entry is deleted stops presenting, and presents again when it is back',
    ),
  ),
  promise(
    'An own SVID that is not good is never presented, not for a moment, and nothing is presented after `PermissionDenied`: the cases HX, WA-2 and WA-4.',
    suite('test/conformance', 'test/conformance/README.md'),
  ),
  promise(
    'A bad update leaves the last good state in service.',
    tests(
      workloadApi,
      'rule 68: a message with an empty %s is discarded whole',
      '%s is refused, and the last good one is kept',
    ),
    tests(rotation, 'because it %s leaves the last good one serving'),
  ),
  promise(
    'Of files that are half-written, or of two writers, no pair of certificate and key that does not fit is ever presented; files that others can read or change are not used.',
    tests(
      'test/e2e/torn-writes.test.ts',
      'of 200 writes that are torn no pair that does not fit is served, and what is finished is taken',
    ),
    tests(
      'test/faults/torn-writes.test.ts',
      'of writes that are torn no pair that does not fit is served, and what is finished is taken',
    ),
    tests(
      'packages/file-source/src/access/access.test.ts',
      'a file of mode %o is refused',
      'a folder anywhere on the way is refused, whatever is below it',
    ),
  ),
  promise(
    'A service whose identity comes from files is what it is with an agent: the same callers are let in, renewed and refused.',
    tests(
      'test/e2e/sources.test.ts',
      'nobody else gets an answer: no certificate, an unknown authority, the authority of another trust domain',
      'a renewal reaches the next handshake, and breaks no connection',
    ),
  ),
  promise(
    'A writer of files that is killed at any moment leaves the old files or the new ones.',
    tests(
      'test/faults/killed-writers.test.ts',
      'a writer of files that is killed at any moment leaves a whole set',
    ),
  ),
  promise(
    'An SVID that is not valid yet is presented when its time comes and not before, and the bundles that came with it count at once.',
    tests(
      'test/rules/not-yet-valid.test.ts',
      'is waited for at the start, and presented when its time has come',
      'leaves the last one in its place, while the bundles and lists that came with it count at once',
    ),
  ),
  promise(
    'An SVID is not presented past its end, whatever its source says or has become.',
    tests(rotation, 'an SVID that expires'),
  ),
  promise(
    'Past its expiry an SVID is not presented, even if the agent hangs or the clock is set.',
    tests(
      'test/faults/agent-silence.test.ts',
      'an agent that hangs costs no request until the SVID expires; then nothing is presented until it speaks',
    ),
    tests('test/faults/clock.test.ts', 'a service in a process whose clock is set'),
  ),
  promise(
    'An agent that dies, lies, drips or is replaced costs no request while an unexpired SVID is held.',
    tests(
      'test/faults/agent.test.ts',
      'an agent that %s',
      'in the place of the agent, one that %s costs no request, and the next SVID arrives when the agent is back',
    ),
    tests(
      'test/faults/spire-agent.test.ts',
      'an agent that is killed and restarted on a re-created socket costs no request',
    ),
  ),
  promise(
    'A source that throws ends neither the process nor a connection that was judged.',
    tests(
      'packages/tls/src/server/live-connections.test.ts',
      'ends neither the process nor a connection: what it said last holds on',
    ),
  ),
  promise(
    'What a source waits for is reported at once, once, with code, cause and cure; an error of the service’s own is never reported as an answer of the agent.',
    tests(
      'test/rules/source-problems.test.ts',
      'is a warning of the process at once, with the code and the cure, and said once',
      'goes to onProblem instead, each code once',
    ),
    tests(
      'packages/workload-api/src/channel/channel.test.ts',
      'what is no status of gRPC is no answer of an endpoint: %p',
    ),
  ),
  promise(
    'A service whose system has no file watch free starts, says so, and reloads; a policy is reloaded within a second of its change, whatever else is written beside it.',
    tests(
      'test/e2e/no-watch-free.test.ts',
      'a service whose system has no watch free (%s) starts, says so once, and reloads',
    ),
    tests(
      'packages/files/src/file-watcher.test.ts',
      'has changed after a second at the latest, although it is written without a pause',
      'what happens to other files of the folder',
    ),
  ),
  promise(
    'A PEM file that hides a revocation list, a certificate or a key is an error, never an empty list.',
    tests(
      'packages/spiffe/src/x509/pem.test.ts',
      'beside a revocation list does not lose what stands under the label %s',
    ),
    tests(
      'packages/spiffe/src/x509/revocation-list.test.ts',
      'is never read as no list at all: %s',
    ),
  ),
  promise(
    'The socket of the authority can be opened only by its user at every moment, whatever the umask is.',
    tests(
      'packages/authority/src/endpoint/workload-endpoint.test.ts',
      'has no name while it is open to others, whatever the umask is',
    ),
  ),
  promise(
    'What a service installs can issue no certificate: neither the authority nor its library is there.',
    tests(
      'packages/fastify-spiffe/src/exports.test.ts',
      'installs no authority, no library that issues certificates, and no command line',
    ),
  ),
  promise(
    'A private key is not in JSON, `util.inspect`, an event or an error.',
    tests('packages/spiffe/src/svid/x509-svid.test.ts', 'shows its key nowhere'),
    tests(
      rotation,
      'no private key shows in the server (%j)',
      'is reported, with the generation and the time, and without the key',
    ),
    tests(workloadApi, 'leaves no key in events or errors'),
    tests(
      'packages/authority/src/authority/authority.test.ts',
      'shows no key in inspect or JSON, nor does its source',
    ),
  ),
  promise(
    'No error shows the value of a mistaken option: no key, token, password or PEM is in a message, a cause or a property.',
    tests('test/attacks/mistaken-options.test.ts', '%s in the wrong place is in no error'),
  ),
  promise(
    'A bundle endpoint serves the own bundle alone, whole and in public keys, and never a lower sequence after a higher one, with a sequence file also over a restart.',
    tests(
      'packages/bundle-endpoint/src/plugin.test.ts',
      'never serves a foreign bundle: neither instead of the own one nor within it',
      'serves public keys alone, each for its use',
    ),
    tests(
      'packages/bundle-endpoint/src/publisher.test.ts',
      'grows with each change, also when the clock is set back, stands still or is broken',
      'serves no lower sequence after a restart with a clock that was set back',
      'without the JWT authorities that it should have: the bundle would withdraw them',
      'from a source that is %s',
    ),
  ),
]
