import { mkdtemp, rm, symlink } from 'node:fs/promises'
import { once } from 'node:events'
import { createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mintRootCa } from '@fastify-spiffe/authority'
import { TRUST_DOMAIN } from '../driver/agent.ts'
import { refusedServers } from '../driver/refused-servers.ts'
import type { Stage } from '../driver/stage.ts'
import { expectEqual, expectThat, type ConformanceCase } from '../suite/case.ts'
import { inBothRoles, PEER_ID } from './peer-case.ts'

const lines = [
  /^SPIFFE_HARNESS_VERSION=1$/,
  /^SPIFFE_X509_PORT=[1-9][0-9]*$/,
  /^SPIFFE_CONTROL_PORT=[1-9][0-9]*$/,
  /^READY$/,
]

/** The address of a port at which nobody listens. */
async function closedPort(): Promise<string> {
  const server = createServer().listen(0, '127.0.0.1')
  await once(server, 'listening')
  const address = addressOf(server)
  const closed = once(server, 'close')
  server.close()
  await closed
  return address
}

function addressOf(server: Server): string {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not listening')
  return `127.0.0.1:${address.port}`
}

/** Listens, until the case has ended. */
async function addressOfOpen(stage: Stage, server: Server): Promise<string> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const close = async (): Promise<void> => void server.close()
  await stage.use(Promise.resolve({ [Symbol.asyncDispose]: close }))
  return addressOf(server)
}

export const contract: readonly ConformanceCase[] = [
  {
    name: 'HARNESS-1',
    level: 'core',
    title: 'stdout has the three lines of the contract, READY last, and nothing else',
    rule: 'contract v1',
    run: async (stage) => {
      const harness = await stage.start(await stage.agent())
      expectEqual(harness.lines.length, lines.length, 'lines')
      for (const line of lines) {
        expectThat(
          harness.lines.some((each) => line.test(each)),
          `no line matches ${line.source}`,
        )
      }
      expectEqual(harness.lines.at(-1), 'READY', 'the last line')
    },
  },
  {
    name: 'HARNESS-2',
    level: 'core',
    title: 'without an SVID it never says READY',
    rule: 'contract v1',
    run: async (stage) => {
      const agent = await stage.agent()
      agent.endpoint.hang()
      const harness = stage.launch(agent.address)
      await agent.endpoint.waitForStream()
      await harness.staysUnready(2000)
      agent.endpoint.resume()
      await harness.ready()
    },
  },
  {
    name: 'HARNESS-3',
    level: 'core',
    title: 'it runs through a symbolic link, from any directory',
    rule: 'contract v1',
    run: async (stage) => {
      const directory = await mkdtemp(join(tmpdir(), 'harness-'))
      const remove = (): Promise<void> => rm(directory, { recursive: true })
      await stage.use(Promise.resolve({ [Symbol.asyncDispose]: remove }))
      const link = join(directory, 'link')
      await symlink(stage.command, link)
      const { address } = await stage.agent()
      await stage.launch(address, link).ready()
    },
  },
  {
    name: 'HARNESS-4',
    level: 'core',
    title: 'SIGTERM ends it at once',
    rule: 'contract v1',
    run: async (stage) => {
      const harness = await stage.start(await stage.agent())
      const start = performance.now()
      const { signal } = await harness.stop()
      const took = performance.now() - start
      expectThat(signal !== 'SIGKILL' && took < 2000, `it took ${took} ms and ${signal}`)
    },
  },
  {
    name: 'HARNESS-5',
    level: 'core',
    title: 'what the library cannot do answers 501 unsupported',
    rule: 'contract v1',
    run: async (stage) => {
      const { control } = await stage.start(await stage.agent())
      const { code, body } = await control.post('/v2/not/there', {})
      expectEqual(`${code} ${String(body['status'])}`, '501 unsupported', 'the answer')
    },
  },
  {
    name: 'HARNESS-6',
    level: 'core',
    title: 'a dial that reaches no server answers 500 error, and is no refusal',
    rule: 'contract v1',
    run: async (stage) => {
      const { control } = await stage.start(await stage.agent())
      const closing = createServer((socket) => socket.destroy())
      for (const body of [
        { address: await closedPort() },
        { address: await addressOfOpen(stage, closing) },
        { address: 'nonsense' },
        {},
        'no JSON',
      ]) {
        const answer = await control.post('/v1/x509/dial', body)
        expectEqual(`${answer.code} ${String(answer.body['status'])}`, '500 error', 'the answer')
      }
    },
  },
  {
    name: 'HARNESS-7',
    level: 'core',
    title: 'GET /v1/info says what is tested',
    rule: 'contract v1',
    run: async (stage) => {
      const { control } = await stage.start(await stage.agent())
      const { code, body } = await control.get('/v1/info')
      expectEqual(code, 200, 'the answer')
      for (const field of ['sdk', 'sdk_version', 'language']) {
        expectThat(typeof body[field] === 'string' && body[field] !== '', `no ${field}`)
      }
    },
  },
  {
    name: 'HARNESS-8',
    level: 'core',
    title: 'a client without a certificate is cut off with nothing written',
    rule: 'contract v1; X509-SVID §5 (38)',
    run: async (stage) => {
      const agent = await stage.agent()
      const harness = await stage.start(agent)
      const control = await harness.present({ material: await agent.authority.mint(PEER_ID) })
      expectEqual(control.line, PEER_ID, 'with a certificate, the peer is')
      const { line, server } = await harness.present({ material: null })
      expectThat(server !== null, 'the harness presented no SVID')
      expectEqual(line, null, 'the peer is')
    },
  },
  ...(['TLSv1.2', 'TLSv1.3'] as const).flatMap((version) =>
    inBothRoles({
      name: version === 'TLSv1.2' ? 'HARNESS-9' : 'HARNESS-10',
      level: 'core',
      title: `a client that speaks ${version} only is served`,
      rule: 'contract v1',
      verdict: 'accepted',
      home: () => mintRootCa(TRUST_DOMAIN),
      peer: ({ home }) => home.mint(PEER_ID),
      tls: { minVersion: version, maxVersion: version },
      roles: ['server'],
      hasPlainName: true,
    }),
  ),
  {
    name: 'HARNESS-11',
    level: 'core',
    title: 'a server that the TLS stack refuses is rejected, as one that the library refuses is',
    rule: 'contract v1',
    run: async (stage) => {
      const agent = await stage.agent()
      const { control } = await stage.start(agent)
      const good = await stage.server(await agent.authority.mint(PEER_ID))
      expectEqual((await control.dial(good.address)).verdict, 'accepted', 'a good server is')
      for (const [what, server] of await refusedServers(agent.authority, PEER_ID)) {
        const address = await addressOfOpen(stage, server)
        const { code, body } = await control.post('/v1/x509/dial', { address })
        expectEqual(`${code} ${String(body['status'])}`, '422 rejected', what)
      }
    },
  },
]
