import { mintRootCa, type MintedCertificate } from '@fastify-spiffe/authority'
import type { SecureVersion } from 'node:tls'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import type { Presentation } from '../driver/client.ts'
import type { Harness } from '../driver/harness.ts'
import { entry } from '../driver/scripted-agent.ts'
import { until } from '../driver/timing.ts'
import { untilPresented } from '../driver/watch.ts'
import { expectEqual, type ConformanceCase } from '../suite/case.ts'
import { PEER_ID } from './peer-case.ts'
import { serving } from './workload-api.ts'

const versions: readonly (readonly [variant: string, version: SecureVersion])[] = [
  ['tls12', 'TLSv1.2'],
  ['tls13', 'TLSv1.3'],
]

/** Comes back with the latest session of an earlier connection, if the harness has given it one. */
const comeBack = (
  harness: Harness,
  material: MintedCertificate | null,
  version: SecureVersion,
  { sessions }: Presentation,
): Promise<Presentation> => {
  const session = sessions.at(-1)
  const options = { material, minVersion: version, maxVersion: version }
  return harness.present(session === undefined ? options : { ...options, session })
}

const hasExpired = (notAfter: number): Promise<boolean> =>
  until(
    () => Date.now() > notAfter + 1000,
    (isPast) => isPast,
    20_000,
    () => new Error('the clock stands still'),
  )

const onServer = (variant: string, version: SecureVersion): readonly ConformanceCase[] => [
  {
    name: `RESUME-1/${variant}`,
    level: 'core',
    title: 'a client whose authority has left the bundle is refused, whatever session it resumes',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const { agent, harness, client, svid } = await serving(stage)
      const successor = await mintRootCa(TRUST_DOMAIN)
      const options = { minVersion: version, maxVersion: version }
      const first = await harness.present({ material: client, ...options })
      expectEqual(first.line, PEER_ID, 'at first, the peer is')
      const control = await comeBack(harness, client, version, first)
      expectEqual(control.line, PEER_ID, 'while it is trusted, the peer is')
      const next = await successor.mint(HARNESS_ID)
      agent.publish({ svids: [entry(HARNESS_ID, next, successor)] })
      await untilPresented(harness, client, next, svid)
      for (const earlier of [first, control]) {
        expectEqual((await comeBack(harness, client, version, earlier)).line, null, 'the peer is')
      }
    },
  },
  {
    name: `RESUME-2/${variant}`,
    level: 'core',
    title: 'a client whose SVID has expired is refused, whatever session it resumes',
    rule: 'X509-SVID §5.1 (31)',
    run: async (stage) => {
      const { home, harness } = await serving(stage)
      const notAfter = Math.floor((Date.now() + 3000) / 1000) * 1000
      const brief = await home.mint(PEER_ID, { notAfter })
      const options = { minVersion: version, maxVersion: version }
      const first = await harness.present({ material: brief, ...options })
      expectEqual(first.line, PEER_ID, 'at first, the peer is')
      await hasExpired(notAfter)
      expectEqual((await comeBack(harness, brief, version, first)).line, null, 'the peer is')
    },
  },
  {
    name: `RESUME-3/${variant}`,
    level: 'core',
    title: 'a client without a certificate is refused, whatever session it resumes',
    rule: 'X509-SVID §5 (38)',
    run: async (stage) => {
      const { harness, client } = await serving(stage)
      const options = { minVersion: version, maxVersion: version }
      const control = await harness.present({ material: client, ...options })
      expectEqual(control.line, PEER_ID, 'with a certificate, the peer is')
      const first = await harness.present({ material: null, ...options })
      expectEqual(first.line, null, 'without a certificate, the peer is')
      expectEqual((await comeBack(harness, null, version, first)).line, null, 'the peer is')
    },
  },
]

const onClient: readonly ConformanceCase[] = [
  {
    name: 'RESUME-4/client',
    level: 'core',
    title: 'a server whose authority has left the bundle is refused, whatever session it offers',
    rule: 'Workload API §4.4 (67)',
    run: async (stage) => {
      const { agent, harness, client, svid } = await serving(stage)
      const server = await stage.server(client)
      for (let dialled = 0; dialled < 2; dialled++) {
        expectEqual((await harness.control.dial(server.address)).verdict, 'accepted', 'it is')
      }
      const successor = await mintRootCa(TRUST_DOMAIN)
      const next = await successor.mint(HARNESS_ID)
      agent.publish({ svids: [entry(HARNESS_ID, next, successor)] })
      await untilPresented(harness, client, next, svid)
      expectEqual((await harness.control.dial(server.address)).verdict, 'refused', 'the server is')
    },
  },
  {
    name: 'RESUME-5/client',
    level: 'core',
    title: 'a server whose SVID has expired is refused, whatever session it offers',
    rule: 'X509-SVID §5.1 (31)',
    run: async (stage) => {
      const { home, harness } = await serving(stage)
      const notAfter = Math.floor((Date.now() + 3000) / 1000) * 1000
      const server = await stage.server(await home.mint(PEER_ID, { notAfter }))
      expectEqual((await harness.control.dial(server.address)).verdict, 'accepted', 'it is')
      await hasExpired(notAfter)
      expectEqual((await harness.control.dial(server.address)).verdict, 'refused', 'the server is')
    },
  },
]

export const resumption: readonly ConformanceCase[] = [
  ...versions.flatMap(([variant, version]) => onServer(variant, version)),
  ...onClient,
]
