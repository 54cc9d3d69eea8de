import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { bundlesOf } from '../verdict.ts'
import type { ClientKind, OpenClient, Target } from './clients.ts'
import { TrapServer } from './trap.ts'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'
/** How many messages are sent at once. */
const AT_ONCE = 3
/** The authorities of SPIRE have one name: nothing but the signature tells them apart. */
const SUBJECT = { subject: 'C=US,O=SPIFFE' }

/** All that the tests have in common. */
interface Scene {
  readonly authority: MintedCa
  /** The authority of a trust domain that clients know. */
  readonly partner: MintedCa
  /** One that they do not know. */
  readonly nobody: MintedCa
  readonly right: MintedCertificate
  readonly wrong: MintedCertificate
  readonly client: MintedCertificate
}

type Mint = (scene: Scene) => Promise<MintedCertificate>

/** The certificates that wrong servers have. */
const WRONG: readonly [string, Mint][] = [
  ['another SPIFFE ID of our trust domain', async ({ wrong }) => wrong],
  [
    'our SPIFFE ID of the authority of a federated trust domain',
    ({ partner }) => partner.mint(ORDERS),
  ],
  ['our SPIFFE ID of an authority of nobody', ({ nobody }) => nobody.mint(ORDERS)],
  [
    'a SPIFFE ID of a federated trust domain',
    ({ partner }) => partner.mint('spiffe://partner.test/orders'),
  ],
  [
    'a SPIFFE ID of an unknown trust domain',
    ({ nobody }) => nobody.mint('spiffe://nobody.test/orders'),
  ],
  [
    'our SPIFFE ID, below a federated intermediate that poses as ours',
    async ({ partner }) => {
      const posing = await partner.mintCa({ ...SUBJECT, uris: ['spiffe://example.org'] })
      return posing.mint(ORDERS)
    },
  ],
  [
    'an SVID that has expired',
    ({ authority }) => authority.mint(ORDERS, { notAfter: Date.now() - 1000 }),
  ],
  [
    'an SVID that is not valid yet',
    ({ authority }) =>
      authority.mint(ORDERS, { notBefore: Date.now() + 60_000, notAfter: Date.now() + 120_000 }),
  ],
  [
    'two SPIFFE IDs, one of which is ours',
    ({ authority }) =>
      authority.mint(ORDERS, { uris: [ORDERS, 'spiffe://example.org/acme/other'] }),
  ],
  [
    'its address and no SPIFFE ID',
    ({ authority }) =>
      authority.mint(ORDERS, { uris: [], dnsNames: ['localhost'], ipAddresses: ['127.0.0.1'] }),
  ],
  [
    'our SPIFFE ID, as a CA',
    ({ authority }) =>
      authority.mint(ORDERS, { ca: true, keyUsage: ['keyCertSign', 'digitalSignature'] }),
  ],
]

/** Which of the tests: those that say most, for the quick suite, or all. */
export type Extent = 'short' | 'whole'

/** Tests that no wrong server gets a byte of what these clients send, and that the right one does. */
export function testAgainstWrongServers(clients: readonly ClientKind[], extent: Extent): void {
  let scene: Scene

  beforeAll(async () => {
    const authority = await mintRootCa('example.org', SUBJECT)
    scene = {
      authority,
      partner: await mintRootCa('partner.test', SUBJECT),
      nobody: await mintRootCa('nobody.test', SUBJECT),
      right: await authority.mint(ORDERS),
      wrong: await authority.mint('spiffe://example.org/acme/other'),
      client: await authority.mint(WEB),
    }
  })

  const sourceOf = (): ScriptedSource =>
    new ScriptedSource(scene.client.toX509Svid(), bundlesOf(scene.authority, scene.partner))

  const targetOf = (
    { port }: TrapServer,
    source = sourceOf(),
    minVersion: Target['options']['minVersion'] = 'TLSv1.3',
  ): Target => ({
    port,
    options: { source, server: ORDERS, minVersion },
  })

  describe.each(clients)('$name', (kind) => {
    const { preface, isAnswered: speaksHttp } = kind

    test.each(extent === 'whole' ? WRONG : WRONG.slice(0, 2))(
      'sends nothing to a server with %s',
      async (_what, mint) => {
        await using trap = await TrapServer.start(scene.right, { preface, speaksHttp })
        trap.turn(await mint(scene))
        await using client = await openIn(kind, targetOf(trap))
        await expectFailures(client, AT_ONCE)
        await expectFailures(client, 1)
        expect(trap.wrongConnections).toBeGreaterThan(0)
        expect(trap.stolen).toBe(0)
      },
    )

    test.each(extent === 'whole' ? VERSIONS : (['TLSv1.3'] as const))(
      'sends nothing to a wrong server in the place of the right one, whose sessions it can resume (%s)',
      async (maxVersion) => {
        await using trap = await TrapServer.start(scene.right, { preface, speaksHttp, maxVersion })
        await using client = await openIn(kind, targetOf(trap, sourceOf(), maxVersion))
        await expectService(client, kind, trap)
        trap.turn(scene.wrong)
        await trap.end()
        await expectFailures(client, AT_ONCE)
        await expectFailures(client, 1)
        expect(trap.wrongConnections).toBeGreaterThan(0)
        expect(trap.stolen).toBe(0)
      },
    )

    if (extent === 'whole')
      test('sends nothing to a wrong server that takes turns with the right one', async () => {
        await using trap = await TrapServer.start(scene.right, { preface, speaksHttp })
        trap.alternate(scene.right, scene.wrong)
        await using client = await openIn(kind, targetOf(trap))
        for (let round = 0; round < 4; round++) {
          await Promise.allSettled(Array.from({ length: AT_ONCE }, () => client.send()))
          await trap.end()
        }
        expect(trap.served).toBeGreaterThan(0)
        expect(trap.wrongConnections).toBeGreaterThan(0)
        expect(trap.stolen).toBe(0)
      })

    test(AFTER_REMOVAL[kind.connections], async () => {
      await using trap = await TrapServer.start(scene.right, { preface, speaksHttp })
      const source = sourceOf()
      await using client = await openIn(kind, targetOf(trap, source))
      await expectService(client, kind, trap)
      const { served } = trap
      source.set(source.svid, bundlesOf(scene.partner))
      if (kind.connections !== 'checked') await trap.end()
      await expectFailures(client, AT_ONCE)
      expect(trap.served).toBe(served)
    })
  })
}

const VERSIONS = ['TLSv1.2', 'TLSv1.3'] as const

const AFTER_REMOVAL = {
  checked: 'sends nothing over a connection that it has to a server whose authority was removed',
  kept: 'sends nothing over a new connection to a server whose authority was removed',
  single: 'sends nothing to a server whose authority was removed',
} as const

async function openIn(kind: ClientKind, target: Target): Promise<OpenClient & AsyncDisposable> {
  const client = await kind.open(target)
  return {
    send: () => client.send(),
    close: () => client.close(),
    [Symbol.asyncDispose]: async () => void (await client.close()),
  }
}

async function expectFailures(client: OpenClient, times: number): Promise<void> {
  const sent = await Promise.allSettled(Array.from({ length: times }, () => client.send()))
  expect(sent.map(({ status }) => status)).toEqual(Array(times).fill('rejected'))
}

async function expectService(
  client: OpenClient,
  { isAnswered }: ClientKind,
  trap: TrapServer,
): Promise<void> {
  const [{ status }] = await Promise.allSettled([client.send()])
  expect(status).toBe(isAnswered ? 'fulfilled' : 'rejected')
  // Some try once more.
  expect(trap.served).toBeGreaterThan(0)
}
