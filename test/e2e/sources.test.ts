import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { Agent, request } from 'node:https'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { authz } from '@fastify-spiffe/authz'
import { FileSource } from '@fastify-spiffe/file-source'
import { FileSetWriter } from '@fastify-spiffe/files'
import { peer } from '@fastify-spiffe/peer'
import {
  Bundle,
  BundleSet,
  stringifyBundleMap,
  withFallbackBundles,
  type BundleConflictEvent,
  type X509MaterialSource,
  type X509Svid,
} from '@fastify-spiffe/spiffe'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import { X509Source } from '@fastify-spiffe/workload-api'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'

const ORDERS = 'spiffe://example.org/acme/orders'
const WEB = 'spiffe://example.org/acme/web'
const PARTNER = 'spiffe://partner.test/globex/web'

let home: Authority
let partner: Authority
let stranger: Authority
let folder: string
let closing: (() => Promise<unknown>)[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'sources-'))
  home = await Authority.create({ trustDomain: 'example.org' })
  partner = await Authority.create({ trustDomain: 'partner.test' })
  stranger = await Authority.create({ trustDomain: 'example.org' })
  home.federate(partner)
})

afterEach(async () => {
  for (const close of closing.toReversed()) await close()
  closing = []
  for (const authority of [home, partner, stranger]) await authority.close()
  await rm(folder, { recursive: true })
})

/** Writes what an in-process source has, whenever it changes, as a neighbour of the service does. */
async function written(material: InProcessSource, into: string): Promise<void> {
  const writer = await FileSetWriter.open(into)
  const write = async (): Promise<void> => {
    const { bundles } = material
    const own = material.svid
    if (own === null) return
    const all = Array.from(bundles, (x509) => Bundle.of(x509.trustDomain, { x509 }))
    await writer.write(
      new Map([
        ['svid.pem', own.exportCertificatesPem()],
        ['svid_key.pem', own.exportPrivateKeyPem()],
        ['bundle_map.json', stringifyBundleMap(BundleSet.of(...all))],
      ]),
    )
  }
  await write()
  let last = Promise.resolve()
  const end = material.onUpdate(() => void (last = last.then(write)))
  closing.push(async () => {
    end()
    await last
  })
}

/** How the service gets its identity: the one line in which the services differ. */
const SOURCES: readonly (readonly [string, () => Promise<X509MaterialSource>])[] = [
  [
    'the Workload API',
    async () => {
      const endpoint = await home.serve({ spiffeId: ORDERS, socketPath: join(folder, 'api.sock') })
      return X509Source.open({ address: endpoint.address })
    },
  ],
  [
    'files',
    async () => {
      const material = await home.source(ORDERS)
      closing.push(() => material.close())
      await written(material, folder)
      return FileSource.open({
        directory: folder,
        layout: 'spiffe-helper',
        bundle: 'bundle_map.json',
      })
    },
  ],
]

async function serve(source: X509MaterialSource): Promise<FastifyInstance> {
  closing.push(() => source.close())
  const app = Fastify(spiffeServer(source))
  await app.register(svid, { source })
  await app.register(peer)
  await app.register(authz, { tenant: '/{tenant}/{workload}' })
  app.get('/orders', { config: { spiffe: { allow: [WEB, PARTNER] } } }, ({ spiffeId, tenant }) => ({
    caller: spiffeId?.toString(),
    tenant: tenant?.name,
  }))
  app.get(
    '/batch',
    { config: { spiffe: { allow: ['spiffe://example.org/acme/batch'] } } },
    () => 'ok',
  )
  await app.listen({ host: '127.0.0.1', port: 0 })
  closing.push(() => app.close())
  return app
}

function portOf({ server }: FastifyInstance): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new TypeError('not a TCP server')
  return address.port
}

interface Answer {
  readonly status: number | undefined
  readonly body: string
  /** What the server presented. */
  readonly leaf: string | undefined
  readonly socket: unknown
}

/** A client that presents an SVID, and looks at nothing. */
class Client {
  readonly #port: number
  readonly #agent: Agent

  constructor(app: FastifyInstance, svidOfCaller: X509Svid | null) {
    this.#port = portOf(app)
    this.#agent = new Agent({
      keepAlive: true,
      maxSockets: 1,
      maxCachedSessions: 0,
      rejectUnauthorized: false,
      ...(svidOfCaller !== null && {
        cert: svidOfCaller.exportCertificatesPem(),
        key: svidOfCaller.exportPrivateKeyPem(),
      }),
    })
    closing.push(async () => this.#agent.destroy())
  }

  async get(path: string): Promise<Answer> {
    const call = request({ port: this.#port, host: '127.0.0.1', path, agent: this.#agent })
    const answered = once(call, 'response')
    call.end()
    const [response] = await answered
    const { socket } = response
    // The second time on a connection, some versions of Node have lost it.
    const leaf: string | undefined = socket.getPeerX509Certificate()?.raw.toString('hex')
    return { status: response.statusCode, body: await text(response), leaf, socket }
  }
}

async function callerOf(authority: Authority, id: string, app: FastifyInstance): Promise<Client> {
  return new Client(app, await authority.issueX509Svid(id))
}

/** Resolves once the condition holds, at an update of the source. */
async function until(source: X509MaterialSource, holds: () => boolean): Promise<void> {
  while (!holds()) await source.nextUpdate()
}

const leafOf = ({ svid: held }: X509MaterialSource): string | undefined =>
  held?.leaf.raw.toString('hex')

describe.each(SOURCES)('with an identity from %s', (_name, open) => {
  let source: X509MaterialSource
  let app: FastifyInstance

  beforeEach(async () => {
    source = await open()
    app = await serve(source)
  })

  test('a caller of the own trust domain is known, with its tenant', async () => {
    const { status, body } = await (await callerOf(home, WEB, app)).get('/orders')
    expect([status, JSON.parse(body)]).toEqual([200, { caller: WEB, tenant: 'acme' }])
  })

  test('a caller of a federated trust domain is known', async () => {
    const { status, body } = await (await callerOf(partner, PARTNER, app)).get('/orders')
    expect([status, JSON.parse(body)]).toEqual([200, { caller: PARTNER, tenant: 'globex' }])
  })

  test('a caller whom the rule does not name gets 403', async () => {
    expect((await (await callerOf(home, WEB, app)).get('/batch')).status).toBe(403)
  })

  test('nobody else gets an answer: no certificate, an unknown authority, the authority of another trust domain', async () => {
    const foreign = await partner.issueX509Svid(PARTNER)
    expect(source.bundles.get(foreign.spiffeId.trustDomain)?.has(foreign.leaf)).toBe(false)
    for (const client of [new Client(app, null), await callerOf(stranger, WEB, app)]) {
      await expect(client.get('/orders')).rejects.toThrow()
    }
  })

  test('a renewal reaches the next handshake, and breaks no connection', async () => {
    const kept = await callerOf(home, WEB, app)
    const before = await kept.get('/orders')
    await home.rotateSvids()
    await until(source, () => leafOf(source) !== before.leaf)
    const after = await (await callerOf(home, WEB, app)).get('/orders')
    expect(after.leaf).toBe(leafOf(source))
    expect((await kept.get('/orders')).socket).toBe(before.socket)
  })

  test('a caller whose trust domain is federated no more is served no more, on a connection that is kept', async () => {
    const kept = await callerOf(partner, PARTNER, app)
    expect((await kept.get('/orders')).status).toBe(200)
    home.unfederate(partner)
    await until(source, () => source.bundles.size === 1)
    const outcome = await kept.get('/orders').then(
      ({ status }) => status,
      () => 'cut',
    )
    expect(outcome).not.toBe(200)
  })
})

test('files are the last in an order of sources: they count for what the others do not know', async () => {
  const conflicts: BundleConflictEvent[] = []
  const listen = (event: unknown): void => void conflicts.push(event as BundleConflictEvent)
  subscribe('spiffe:bundle:conflict', listen)
  const third = await Authority.create({ trustDomain: 'third.test' })
  closing.push(() => third.close())
  stranger.federate(third)
  const material = await stranger.source('spiffe://example.org/acme/files')
  closing.push(() => material.close())
  await written(material, folder)
  const files = await FileSource.open({
    directory: folder,
    layout: 'spiffe-helper',
    bundle: 'bundle_map.json',
  })
  const endpoint = await home.serve({ spiffeId: ORDERS, socketPath: join(folder, 'api.sock') })
  const workload = await X509Source.open({ address: endpoint.address })
  const app = await serve(withFallbackBundles(workload, files))
  unsubscribe('spiffe:bundle:conflict', listen)

  const known = await callerOf(third, 'spiffe://third.test/acme/web', app)
  expect((await known.get('/orders')).status).toBe(403)
  expect((await (await callerOf(home, WEB, app)).get('/orders')).status).toBe(200)
  // Of the own trust domain the agent knows better.
  await expect((await callerOf(stranger, WEB, app)).get('/orders')).rejects.toThrow()
  expect(conflicts).toEqual([{ kind: 'x509', trustDomain: 'example.org', used: 0, ignored: 1 }])
})
