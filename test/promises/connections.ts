import { promise, tests, type Promised } from './promised.ts'

const acceptance = 'packages/tls/src/server/acceptance.test.ts'
const live = 'packages/tls/src/server/live-connections.test.ts'
const peer = 'packages/peer/src/peer.test.ts'
const plain = 'packages/tls/src/server/svid-tls-server.test.ts'
const verifier = 'packages/tls/src/peer/verifier.test.ts'

export const connections: readonly Promised[] = [
  promise(
    'A peer without a good verdict reaches no handler, even with a request in its first flight.',
    tests(
      acceptance,
      'cuts a peer that %s, before it sees a byte of its request',
      'cuts a connection when anything throws, and keeps serving',
    ),
    tests(peer, 'refuses a connection that no acceptor has seen, and tells nothing'),
  ),
  promise(
    'No session can be resumed, a client certificate is asked for, and TLS 1.2 is refused unless `minVersion` allows it, before and after a rotation.',
    tests(
      acceptance,
      'refuses TLS 1.2 unless an option allows it',
      'resumes no session of %s',
      'closes the connection of a peer without a certificate',
    ),
    tests(
      'packages/tls/src/server/rotation.test.ts',
      'drops no option: TLS 1.2, resumption and anonymous clients stay refused',
    ),
  ),
  promise(
    'A caller whose SVID has expired, or whose authority is not in the bundle any more, is refused at its next request.',
    tests(
      peer,
      'refuses a caller whose SVID has expired since the handshake, and closes the connection',
      'refuses a caller whose trust domain is not federated any more',
    ),
  ),
  promise(
    'Nobody whose proof no longer holds gets past `peer` by a route outside of its instance.',
    tests(
      peer,
      'stands before routes and not-found handlers outside of the instance that it was registered on',
      'refuses outside callers whose SVID has expired',
    ),
  ),
  promise(
    'Connections of a caller that lapses end: idle ones at once, busy ones after their response, at the latest after `graceMs`.',
    tests(
      live,
      'is reported first, with the reason, and its idle HTTP/1.1 connections end',
      'gets the answer to its last request, and then the end, over HTTP/1.1',
      'goes on until the grace is over, and is closed then',
    ),
    tests(
      'test/spire/authority.test.ts',
      'an authority is replaced and revoked under load: who has a new SVID notices nothing',
    ),
    tests(
      'test/spire/federation.test.ts',
      'a caller of a federated trust domain is welcome until the bundle of its domain is deleted',
    ),
  ),
  promise(
    'The server asks for the end of a kept connection before its peer’s SVID expires, so that no request is lost.',
    tests(live, 'shortly before the SVID of a peer expires'),
    tests(
      'test/interop/interop.test.ts',
      'keeps a connection until we send it away with its SVID, and loses no call',
    ),
  ),
  promise(
    'Peers that the application or a new policy refuses get 401 at once, and their connections end.',
    tests(peer, 'answers what is under way, refuses what comes after it, and ends the connection'),
    tests(
      'test/e2e/policy-change.test.ts',
      'callers that a new policy no longer names are disconnected after the answer to their last request',
    ),
  ),
  promise(
    'A WebSocket of `@fastify/websocket` opens for the callers that its route names, and is closed `graceMs` after its caller lapses.',
    tests(
      'test/e2e/websocket.test.ts',
      'a WebSocket opens for a caller that its route names, and knows who called',
      'a caller that its route does not name gets 403 and no WebSocket',
      'a WebSocket whose caller lapses can close by itself, and is closed when its grace is over',
    ),
  ),
  promise(
    '`request.spiffeId` cannot be set by a header or by a handler.',
    tests(peer, 'carries nothing that a header says', 'does not let a handler set its %s'),
  ),
  promise(
    'A resumed session is judged by the bundles and the time of its resumption; without a certificate it belongs to nobody.',
    tests(
      'packages/tls/src/server/resumption.test.ts',
      'the connection of a peer that has expired is closed',
      'the connection of a peer that was revoked is closed',
      'a peer whose authority is gone resumes nothing, and its connection is closed',
    ),
    tests(
      'test/attacks/resumption.test.ts',
      'a client whose SVID has expired does not come back with its session',
      'a session without a certificate makes nobody somebody',
    ),
  ),
  promise(
    'No client renegotiates, before or after a rotation.',
    tests(
      'test/attacks/renegotiation.test.ts',
      'a client that renegotiates with another certificate',
      'a client that just renegotiates',
    ),
  ),
  promise(
    'Remembered verdicts keep no old bundles or revocation lists alive.',
    tests(
      verifier,
      'a verdict that nobody asks for any more does not keep the bundles of its time',
    ),
  ),
  promise(
    'Verdicts and verified tokens of a trust domain are not evicted by those of another, within its share.',
    tests(verifier, 'is not forgotten for the many SVIDs of another trust domain'),
    tests(
      'packages/policy/src/jwt/token-cache.test.ts',
      'of a trust domain %s evict none of another',
    ),
  ),
  promise(
    'A TLS server without HTTP hands only proven peers to its listener.',
    tests(
      plain,
      'gives its listener a peer that has proven its SPIFFE ID',
      'cuts a peer %s before its listener sees it',
    ),
  ),
  promise(
    'A client writes nothing to a server that is not the intended one.',
    tests(
      'packages/tls/src/client/client.test.ts',
      'sends no byte of a request to a server that is not the one that was meant',
    ),
  ),
  promise(
    'No byte of a request leaves an agent before the server’s proof, whatever was written before; a request that waits, is aborted or times out meanwhile ends as with Node’s own agent.',
    tests(
      'packages/tls/src/client/svid-agent.test.ts',
      'no byte of a body that waits to be sent reaches a server before its proof',
      'requests that wait for a place',
      'while a connection is being made',
    ),
  ),
  promise(
    'A stalled handshake ends after `handshakeTimeoutMs` (10 s), and a thousand of them keep no good peer out.',
    tests(
      'test/faults/handshakes.test.ts',
      'that connects and sends nothing is closed after the handshake timeout, and counted',
      'the handshake timeout is 10 s by default',
      '${SILENT_CLIENTS} clients that send nothing keep no good one out, and all are closed',
    ),
    tests(plain, 'the connection of a peer that %s is closed when its time is over'),
  ),
  promise(
    'A flood of bad certificates writes at most ten log lines a second, is counted exactly, and costs no good request.',
    tests(
      'test/faults/flood.test.ts',
      'a flood of ${FLOOD} bad certificates fills no log, is counted to the last one, and costs no good request',
    ),
  ),
  promise(
    'A flood of one kind of failed connection hides no other from the log, and no client writes anything but printable ASCII into it.',
    tests(
      'packages/tls/src/server/rate-limiter.test.ts',
      'a kind that was not reported yet is reported in a flood of others, and the next second pays for it',
    ),
    tests(
      'packages/tls/src/peer/claimed-id.test.ts',
      'a claim can put nothing into a log but printable ASCII without quotes',
    ),
  ),
  promise(
    'A closed server ends all its connections within `graceMs`, and a process that has closed its application ends.',
    tests('packages/tls/src/server/closing.test.ts', 'close() of a server'),
    tests(
      'test/e2e/closing.test.ts',
      'the process of a service that has closed its application ends by itself',
    ),
  ),
  promise(
    'A gRPC client sends nothing to a server that is not the one, and its running streams and waiting calls survive rotations.',
    tests(
      'packages/grpc/src/client/svid-channel.test.ts',
      '%s gets nothing, and the call says why',
      'that no authority vouches for gets nothing',
      'gets no credentials of calls either',
      'is that of the moment for new calls, while a running stream goes on',
      'changes under load without a failed call',
    ),
    tests(
      'packages/grpc/src/wrong-peers.test.ts',
      '%s gets no call, and no session is resumed with it',
      'whose authority goes gets no call on the connection that is kept',
    ),
  ),
  promise(
    'A gRPC server, also one that shares the port of an application, runs no handler for a caller that is not proven, whatever that sends with its handshake.',
    tests(
      'packages/grpc/src/wrong-peers.test.ts',
      '%s reaches no handler by what it sends with its handshake',
      'any more resumes no session that it got before',
    ),
    tests(
      'packages/grpc/src/server/shared-port.test.ts',
      'refuses a peer %s on both, and runs nothing',
      'hands HTTP/2 to gRPC alone: other requests over it reach no handler',
      'hands HTTP/1.1 to the application alone, whatever follows the handshake',
    ),
  ),
  promise(
    'Outgoing HTTP sends nothing to a wrong server, nor over a connection whose proof or own SVID has been replaced, and loses no request to a rotation.',
    tests(
      'packages/fetch/src/dispatcher.test.ts',
      'sends 0 bytes to a wrong server, also of many requests at once',
      'sends 0 requests over a kept connection whose server lost its authority',
      'never resumes a session, of which its server gives away plenty',
      'follows a redirect to a server that the authorizer admits, and to no other',
    ),
    tests(
      'packages/fetch/src/rotation.test.ts',
      'loses no request under rotations, and sends none with an SVID that was replaced',
      'does not send the requests that wait for a place to a server whose authority is gone',
      'does not send to an expired server when its timer is late',
    ),
  ),
  promise(
    'A certificate of the Web PKI is stapled for by an answer that was verified in full, or not at all; no handshake waits for a responder, and none gets the staple of another certificate.',
    tests(
      'packages/ocsp/src/staple/stapler.test.ts',
      'stays the last good one until its next update when the responder is down, and then there is none',
      'revoked is loud, and staples nothing: neither it nor the good one before',
      'good that is older than revoked is a replay, and is not taken',
      '%s is refused with %s',
      'delays no handshake: there is no staple yet',
    ),
    tests(
      'packages/ocsp/src/staple/certificates.test.ts',
      'staples for the one that it presents: never the staple of the one before',
    ),
    tests(
      'packages/ocsp/src/store/staple-store.test.ts',
      'are verified anew: a file that %s counts for nothing',
    ),
    tests(
      'test/faults/ocsp-kills.test.ts',
      'a process that is killed at any moment of a refresh has a staple after the restart, without its responder',
    ),
  ),
  promise(
    'With `requireStaple`, nothing is sent to a server of the Web PKI that has not stapled a good answer about its certificate.',
    tests(
      'packages/ocsp/src/client/staple-verifier.test.ts',
      'sends 0 bytes to a server that staples %s: %s',
      'still has to prove its name: a good staple for another name is of no use',
    ),
    tests(
      'packages/tls/src/client/web-pki.test.ts',
      'sends 0 bytes unless the verifier says that the staple is good',
    ),
  ),
]
