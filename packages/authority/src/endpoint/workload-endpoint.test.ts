import { existsSync, statSync, writeFileSync } from 'node:fs'
import { mkdir, mkdtemp, readdir, rename, rm } from 'node:fs/promises'
import { createServer, Server as NetServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import {
  Certificate,
  splitCertificates,
  TrustDomain,
  X509Bundle,
  X509Svid,
} from '@fastify-spiffe/spiffe'
import {
  Client,
  credentials,
  Metadata,
  status,
  type ClientReadableStream,
  type ServiceError,
} from '@grpc/grpc-js'
import { Authority } from '../authority/authority.ts'
import { der } from '../minting/der.ts'
import type { WorkloadEndpointOptions } from './options.ts'
import type { WorkloadApiMethod } from './service.ts'
import type { WorkloadEndpoint } from './workload-endpoint.ts'

const WEB = 'spiffe://example.org/web'
const JOBS = 'spiffe://example.org/jobs'

/** The fields of a response, as they stand on the wire: number and content of each. */
type Fields = readonly { readonly number: number; readonly content: Buffer }[]

/** A client of its own making: it decodes nothing that protobuf would repair. */
class TestClient {
  readonly #client: Client
  readonly #streams: ClientReadableStream<Buffer>[] = []

  constructor(address: string) {
    const target = address.replace(/^tcp:\/\//, '')
    this.#client = new Client(target, credentials.createInsecure(), {
      'grpc.initial_reconnect_backoff_ms': 20,
      'grpc.max_reconnect_backoff_ms': 50,
      'grpc.max_receive_message_length': -1,
      'grpc.use_local_subchannel_pool': 1,
    })
  }

  open(method: string, metadata: Metadata = withHeader('true')): TestStream {
    const call = this.#client.makeServerStreamRequest(
      `/SpiffeWorkloadAPI/${method}`,
      (request: Buffer) => request,
      (response: Buffer) => response,
      Buffer.alloc(0),
      metadata,
      { deadline: Infinity },
    )
    this.#streams.push(call)
    return new TestStream(call)
  }

  close(): void {
    for (const stream of this.#streams) stream.cancel()
    this.#client.close()
  }
}

/** One stream: its messages in turn, and how it ended. */
class TestStream {
  readonly ended: Promise<ServiceError | null>
  readonly #call: ClientReadableStream<Buffer>
  readonly #messages: Buffer[] = []
  #wake: () => void = () => {}

  constructor(call: ClientReadableStream<Buffer>) {
    this.#call = call
    call.on('data', (message: Buffer) => {
      this.#messages.push(message)
      this.#wake()
    })
    this.ended = new Promise((resolve) => {
      call.once('end', () => resolve(null))
      call.once('error', (error: ServiceError) => resolve(error))
    })
  }

  get unread(): number {
    return this.#messages.length
  }

  async next(): Promise<Buffer> {
    const ended = this.ended.then((error) => {
      throw error ?? new Error('the stream ended')
    })
    // A stream that ends later fails nobody who has got the message.
    ended.catch(() => {})
    while (this.#messages.length === 0) {
      const arrived = new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      await Promise.race([arrived, ended])
    }
    return this.#messages.shift()!
  }

  async nextFields(): Promise<Fields> {
    return readFields(await this.next())
  }

  pause(): void {
    this.#call.pause()
  }

  resume(): void {
    this.#call.resume()
  }

  cancel(): void {
    this.#call.cancel()
  }
}

function withHeader(...values: string[]): Metadata {
  const metadata = new Metadata({ waitForReady: true })
  for (const value of values) metadata.add('workload.spiffe.io', value)
  return metadata
}

/** Reads a protobuf message all of whose fields have a length. */
function readFields(message: Buffer): Fields {
  const fields = []
  for (let at = 0; at < message.length;) {
    const number = message[at]! >> 3
    at += 1
    let length = 0
    for (let shift = 0; ; shift += 7) {
      const byte = message[at]!
      at += 1
      length += (byte & 0x7f) << shift
      if (byte < 0x80) break
    }
    fields.push({ number, content: message.subarray(at, at + length) })
    at += length
  }
  return fields
}

function all(fields: Fields, number: number): Buffer[] {
  return fields.filter((field) => field.number === number).map(({ content }) => content)
}

function one(fields: Fields, number: number): Buffer {
  const [content, ...others] = all(fields, number)
  expect(others).toHaveLength(0)
  return content ?? Buffer.alloc(0)
}

/** The entries of a map field: `spiffe://td` to bytes. */
function entries(fields: Fields, number: number): Map<string, Buffer> {
  return new Map(
    all(fields, number)
      .map(readFields)
      .map((entry) => [one(entry, 1).toString(), one(entry, 2)]),
  )
}

let authority: Authority
let directory: string
let clients: TestClient[] = []

beforeEach(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  directory = await mkdtemp(join(tmpdir(), 'endpoint-test-'))
})

afterEach(async () => {
  for (const client of clients) client.close()
  clients = []
  await authority.close()
  await rm(directory, { recursive: true })
})

function connect(endpoint: WorkloadEndpoint): TestClient {
  const client = new TestClient(endpoint.address)
  clients.push(client)
  return client
}

async function serve(options: WorkloadEndpointOptions = { spiffeId: WEB }): Promise<{
  endpoint: WorkloadEndpoint
  client: TestClient
}> {
  const endpoint = await authority.serve(options)
  return { endpoint, client: connect(endpoint) }
}

function rejected(code: string): object {
  return expect.objectContaining({ code })
}

function pathOf(endpoint: WorkloadEndpoint): string {
  return new URL(endpoint.address).pathname
}

describe('FetchX509SVID', () => {
  test('sends the SVID, its key, its bundle and its hint', async () => {
    const { client } = await serve({ spiffeId: WEB, hint: 'internal' })
    const fields = await client.open('FetchX509SVID').nextFields()
    const svid = readFields(one(fields, 1))
    const parsed = X509Svid.fromDer({ certificates: one(svid, 2), privateKey: one(svid, 3) })
    expect(fields.map(({ number }) => number)).toEqual([1])
    expect(one(svid, 1).toString()).toBe(WEB)
    expect(parsed.spiffeId.toString()).toBe(WEB)
    expect(one(svid, 4)).toEqual(authority.bundle.authorities[0]!.raw)
    expect(one(svid, 5).toString()).toBe('internal')
  })

  test('sends intermediates after the leaf, and the bundle without them', async () => {
    const deep = await Authority.create({ trustDomain: 'example.org', intermediates: 1 })
    const endpoint = await deep.serve({ spiffeId: WEB })
    const svid = readFields(one(await connect(endpoint).open('FetchX509SVID').nextFields(), 1))
    const [leaf, intermediate] = splitCertificates(one(svid, 2))
    expect(leaf!.x509.verify(intermediate!.x509.publicKey)).toBe(true)
    expect(splitCertificates(one(svid, 4))).toHaveLength(1)
    await deep.close()
  })

  test('sends several identities in their order, and of equal hints the first', async () => {
    const { client } = await serve({
      identities: [
        { spiffeId: JOBS, hint: 'a' },
        { spiffeId: WEB },
        { spiffeId: 'spiffe://example.org/third', hint: 'a' },
        { spiffeId: 'spiffe://example.org/fourth' },
      ],
    })
    const svids = all(await client.open('FetchX509SVID').nextFields(), 1).map(readFields)
    expect(svids.map((svid) => one(svid, 1).toString())).toEqual([
      JOBS,
      WEB,
      'spiffe://example.org/fourth',
    ])
  })

  test('sends federated bundles by the SPIFFE ID of their trust domain, and the rest anew', async () => {
    const { client } = await serve()
    const foreign = await Authority.create({ trustDomain: 'b.test' })
    const stream = client.open('FetchX509SVID')
    await stream.next()
    authority.federate(foreign)
    const federated = await stream.nextFields()
    expect(entries(federated, 3)).toEqual(
      new Map([['spiffe://b.test', foreign.bundle.authorities[0]!.raw]]),
    )
    expect(all(federated, 1)).toHaveLength(1)
    authority.unfederate(foreign)
    expect(entries(await stream.nextFields(), 3).size).toBe(0)
    await foreign.close()
  })

  test('sends an empty federated bundle as no bytes', async () => {
    authority.federate(X509Bundle.of(TrustDomain.parse('b.test'), []))
    const { client } = await serve()
    const fields = await client.open('FetchX509SVID').nextFields()
    expect(entries(fields, 3)).toEqual(new Map([['spiffe://b.test', Buffer.alloc(0)]]))
  })

  test('follows each rotation with a complete state', async () => {
    const { client } = await serve()
    const stream = client.open('FetchX509SVID')
    const serials = new Set<string>()
    for (let round = 0; round < 3; round += 1) {
      const svid = readFields(one(await stream.nextFields(), 1))
      serials.add(splitCertificates(one(svid, 2))[0]!.serialNumber)
      await authority.rotateSvids()
    }
    expect(serials.size).toBe(3)
  })

  test('keeps the latest state, and no more, for a client that does not read', async () => {
    const bulk = { oid: '1.2.3.4', value: der(0x04, Buffer.alloc(100_000)) }
    const template = { extraExtensions: [bulk] }
    const { client } = await serve({ spiffeId: WEB, template })
    const stream = client.open('FetchX509SVID')
    await stream.next()
    stream.pause()
    for (let round = 0; round < 60; round += 1) await authority.rotateSvids()
    authority.federate(X509Bundle.of(TrustDomain.parse('last.test'), []))
    stream.resume()
    let received = 0
    for (let last = false; !last; received += 1) {
      last = entries(await stream.nextFields(), 3).has('spiffe://last.test')
    }
    expect(received).toBeLessThan(40)
  })

  test('serves certificates of any template', async () => {
    const { client } = await serve({ spiffeId: WEB, template: { ca: true, notAfter: 0 } })
    const svid = readFields(one(await client.open('FetchX509SVID').nextFields(), 1))
    const leaf = Certificate.fromDer(one(svid, 2))
    expect(leaf.notAfter).toBe(0)
    expect(leaf.extensions.basicConstraints?.value.isCa).toBe(true)
  })

  test('follows a change of identities, down to none', async () => {
    const { endpoint, client } = await serve({
      identities: [{ spiffeId: WEB }, { spiffeId: JOBS }],
    })
    const stream = client.open('FetchX509SVID')
    await stream.next()
    await endpoint.setIdentities([{ spiffeId: JOBS }, { spiffeId: WEB }])
    const svids = all(await stream.nextFields(), 1).map(readFields)
    expect(svids.map((svid) => one(svid, 1).toString())).toEqual([JOBS, WEB])
    await endpoint.setIdentities([])
    expect(await stream.ended).toMatchObject({
      code: status.PERMISSION_DENIED,
      details: 'no identity issued',
    })
  })
})

describe('revocation lists', () => {
  test('are sent with the SVIDs and with the bundles, those of federated trust domains too', async () => {
    const { client } = await serve()
    const foreign = await Authority.create({ trustDomain: 'b.test' })
    const [svids, bundles] = [client.open('FetchX509SVID'), client.open('FetchX509Bundles')]
    await Promise.all([svids.next(), bundles.next()])
    await authority.revoke('01')
    const [own] = authority.bundle.revocationLists.map(({ raw }) => raw)
    expect(all(await svids.nextFields(), 2)).toEqual([own])
    expect(all(await bundles.nextFields(), 1)).toEqual([own])
    await foreign.revoke('02')
    authority.federate(foreign)
    expect(all(await svids.nextFields(), 2)).toHaveLength(2)
    expect(all(await bundles.nextFields(), 1)).toHaveLength(2)
    await foreign.close()
  })
})

describe('FetchX509Bundles', () => {
  test('sends all bundles, the own one among them, and repeats nothing', async () => {
    const { client } = await serve()
    const foreign = X509Bundle.of(TrustDomain.parse('b.test'), [])
    const stream = client.open('FetchX509Bundles')
    const own = authority.bundle.authorities[0]!.raw
    const first = await stream.nextFields()
    await authority.rotateSvids()
    authority.federate(foreign)
    const second = await stream.nextFields()
    expect(first.map(({ number }) => number)).toEqual([2])
    expect(entries(first, 2)).toEqual(new Map([['spiffe://example.org', own]]))
    expect([...entries(second, 2).keys()]).toEqual(['spiffe://example.org', 'spiffe://b.test'])
  })
})

describe('the methods for WIT-SVIDs', () => {
  test.each(['FetchWITSVID', 'FetchWITBundles'])('%s is not implemented', async (method) => {
    const { client } = await serve()
    expect(await client.open(method).ended).toMatchObject({ code: status.UNIMPLEMENTED })
  })
})

describe('a call is refused', () => {
  test.each<[string, string[]]>([
    ['without the security header', []],
    ['with the security header twice', ['true', 'true']],
    ['with another value of the security header', ['True']],
  ])('%s', async (_, values) => {
    const { client } = await serve()
    for (const method of ['FetchX509SVID', 'FetchX509Bundles']) {
      expect(await client.open(method, withHeader(...values)).ended).toMatchObject({
        code: status.INVALID_ARGUMENT,
        details: 'security header missing from request',
      })
    }
  })

  test('when the workload has no identity', async () => {
    const { client } = await serve({ identities: [] })
    for (const method of ['FetchX509SVID', 'FetchX509Bundles']) {
      expect(await client.open(method).ended).toMatchObject({
        code: status.PERMISSION_DENIED,
        details: 'no identity issued',
      })
    }
  })
})

describe('a fault on demand', () => {
  test('deny: streams end, calls are refused, until it is taken back', async () => {
    const { endpoint, client } = await serve()
    const stream = client.open('FetchX509SVID')
    await stream.next()
    endpoint.deny()
    const denied = { code: status.PERMISSION_DENIED, details: 'no identity issued' }
    expect(await stream.ended).toMatchObject(denied)
    expect(await client.open('FetchX509SVID').ended).toMatchObject(denied)
    endpoint.allow()
    await client.open('FetchX509SVID').next()
  })

  test('of one method leaves the other alone', async () => {
    const { endpoint, client } = await serve()
    endpoint.deny({ method: 'FetchX509SVID' })
    await client.open('FetchX509Bundles').next()
    expect(await client.open('FetchX509SVID').ended).toMatchObject({
      code: status.PERMISSION_DENIED,
    })
  })

  test('hang: streams stay open in silence, and catch up', async () => {
    const { endpoint, client } = await serve()
    const early = client.open('FetchX509SVID')
    await early.next()
    endpoint.hang()
    const late = client.open('FetchX509SVID')
    await endpoint.nextCall()
    await authority.rotateSvids()
    expect([endpoint.openStreams(), early.unread, late.unread]).toEqual([2, 0, 0])
    endpoint.resume()
    expect(await late.next()).toEqual(await early.next())
  })

  test('fail: the given number of calls end with the status', async () => {
    const { endpoint, client } = await serve()
    const open = client.open('FetchX509SVID')
    await open.next()
    endpoint.fail('UNAVAILABLE', { times: 2, details: 'try later' })
    for (let call = 0; call < 2; call += 1) {
      expect(await client.open('FetchX509SVID').ended).toMatchObject({
        code: status.UNAVAILABLE,
        details: 'try later',
      })
    }
    await client.open('FetchX509SVID').next()
    expect(endpoint.openStreams()).toBe(2)
  })

  test('fail: with a status that gRPC does not have is refused', async () => {
    const { endpoint } = await serve()
    const unknown: string = 'BROKEN'
    // @ts-expect-error: a name that the types do not allow
    expect(() => endpoint.fail(unknown)).toThrow(rejected('invalid-option'))
  })

  test('drop: streams end well or with a status, and the next call is answered', async () => {
    const { endpoint, client } = await serve()
    const [well, badly] = [client.open('FetchX509SVID'), client.open('FetchX509Bundles')]
    await Promise.all([well.next(), badly.next()])
    endpoint.drop({ method: 'FetchX509SVID' })
    endpoint.drop({ status: 'INTERNAL' })
    expect(await well.ended).toBeNull()
    expect(await badly.ended).toMatchObject({ code: status.INTERNAL })
    await client.open('FetchX509SVID').next()
  })

  test('send: a message of any content arrives as it was made', async () => {
    const { endpoint, client } = await serve()
    const [svids, bundles] = [client.open('FetchX509SVID'), client.open('FetchX509Bundles')]
    await Promise.all([svids.next(), bundles.next()])
    endpoint.send({ svids: [{ spiffe_id: WEB, x509_svid: Buffer.of(1) }] })
    endpoint.send(Buffer.of(0xff, 0xff, 0xff))
    endpoint.send({})
    endpoint.send(Buffer.alloc(5 * 2 ** 20, 1))
    endpoint.send({ bundles: { 'spiffe://b.test': Buffer.of(2) } }, { method: 'FetchX509Bundles' })
    const svid = readFields(one(await svids.nextFields(), 1))
    expect([one(svid, 1).toString(), one(svid, 2), one(svid, 3).length]).toEqual([
      WEB,
      Buffer.of(1),
      0,
    ])
    expect(await svids.next()).toEqual(Buffer.of(0xff, 0xff, 0xff))
    expect(await svids.next()).toHaveLength(0)
    expect(await svids.next()).toHaveLength(5 * 2 ** 20)
    expect(entries(await bundles.nextFields(), 2)).toEqual(
      new Map([['spiffe://b.test', Buffer.of(2)]]),
    )
  })

  test('stop: the socket disappears, and comes back at the same address', async () => {
    const { endpoint, client } = await serve()
    const { address } = endpoint
    const stream = client.open('FetchX509SVID')
    await stream.next()
    await endpoint.stop()
    expect(await stream.ended).toMatchObject({ code: status.UNAVAILABLE })
    expect(existsSync(pathOf(endpoint))).toBe(false)
    await endpoint.waitForNoStream()
    await endpoint.start()
    await client.open('FetchX509SVID').next()
    expect(endpoint.address).toBe(address)
  })

  test('stop: changes of the meantime are not lost', async () => {
    const { endpoint, client } = await serve()
    const before = await client.open('FetchX509SVID').next()
    await endpoint.stop()
    await authority.rotateSvids()
    await endpoint.start()
    expect(await client.open('FetchX509SVID').next()).not.toEqual(before)
  })
})

describe('what reached the endpoint', () => {
  test('is recorded: method, headers and time', async () => {
    const { endpoint, client } = await serve()
    const before = Date.now()
    const called = endpoint.nextCall({ method: 'FetchX509Bundles' })
    const metadata = withHeader('true')
    metadata.set('x-bin', Buffer.of(1, 2))
    client.open('FetchX509SVID')
    await endpoint.waitForStream({ method: 'FetchX509SVID' })
    client.open('FetchX509Bundles', metadata)
    const call = await called
    const methods: WorkloadApiMethod[] = ['FetchX509SVID', 'FetchX509Bundles']
    expect(endpoint.calls.map(({ method }) => method)).toEqual(methods)
    expect(endpoint.calls[1]).toBe(call)
    expect(call.metadata.get('workload.spiffe.io')).toEqual(['true'])
    expect(call.metadata.get('x-bin')).toEqual(['AQI='])
    expect(call.time).toBeGreaterThanOrEqual(before)
  })

  test('is recorded when it is refused as well', async () => {
    const { endpoint, client } = await serve()
    await client.open('FetchX509SVID', withHeader()).ended
    expect(endpoint.calls).toHaveLength(1)
    expect(endpoint.openStreams()).toBe(0)
  })

  test('is no stream any more when the client has gone', async () => {
    const { endpoint, client } = await serve()
    const stream = client.open('FetchX509SVID')
    await stream.next()
    expect(endpoint.openStreams()).toBe(1)
    stream.cancel()
    await endpoint.waitForNoStream()
    await stream.ended
  })

  test('is waited for no longer than the signal allows', async () => {
    const { endpoint } = await serve()
    const reason = new Error('enough')
    const signal = AbortSignal.abort(reason)
    await expect(endpoint.waitForStream({ signal })).rejects.toBe(reason)
    await expect(endpoint.nextCall({ signal })).rejects.toBe(reason)
  })
})

describe('the socket', () => {
  test('is for this user alone, in a directory for this user alone', async () => {
    const { endpoint } = await serve()
    const path = pathOf(endpoint)
    const permissions = [path, join(path, '..')].map((each) => statSync(each).mode & 0o777)
    expect(permissions).toEqual([0o600, 0o700])
  })

  test('is where the option says, for this user alone', async () => {
    const socketPath = join(directory, 'own name%.sock')
    const { endpoint, client } = await serve({ spiffeId: WEB, socketPath })
    expect(endpoint.address).toBe(`unix://${directory}/own%20name%25.sock`)
    expect(statSync(socketPath).mode & 0o777).toBe(0o600)
    client.close()
    await endpoint.close()
    expect(await readdir(directory)).toEqual([])
  })

  test('has no name while it is open to others, whatever the umask is', async () => {
    const socketPath = join(directory, 'umask.sock')
    const seen: object[] = []
    // oxlint-disable-next-line typescript/unbound-method -- it is put back as it was
    const original = NetServer.prototype.listen
    const umask = process.umask(0)
    NetServer.prototype.listen = function observed(this: NetServer, ...args: never[]): NetServer {
      const result: NetServer = Reflect.apply(original, this, args)
      const bound = this.address()
      if (typeof bound !== 'string') throw new TypeError('the socket is none of the file system')
      // A bind is done in the same turn: this is what another process finds until the mode is set.
      seen.push({
        hasName: existsSync(socketPath),
        socket: statSync(bound).isSocket(),
        directory: statSync(join(bound, '..')).mode & 0o777,
        beside: join(bound, '../..') === directory,
      })
      return result
    }
    try {
      const { endpoint, client } = await serve({ spiffeId: WEB, socketPath })
      await client.open('FetchX509SVID').next()
      expect(statSync(socketPath).mode & 0o777).toBe(0o600)
      expect(await readdir(directory)).toEqual(['umask.sock'])
      await endpoint.restart()
      expect(statSync(socketPath).mode & 0o777).toBe(0o600)
    } finally {
      NetServer.prototype.listen = original
      process.umask(umask)
    }
    const privately = { hasName: false, socket: true, directory: 0o700, beside: true }
    expect(seen).toEqual([privately, privately])
  })

  test('goes with its directory when the endpoint closes', async () => {
    const { endpoint } = await serve()
    const path = pathOf(endpoint)
    await endpoint.close()
    await endpoint.close()
    expect(existsSync(join(path, '..'))).toBe(false)
    await expect(endpoint.start()).rejects.toEqual(rejected('closed'))
  })

  test('goes when the authority closes', async () => {
    const { endpoint, client } = await serve()
    const stream = client.open('FetchX509SVID')
    await stream.next()
    await authority.close()
    expect(await stream.ended).toMatchObject({ code: status.UNAVAILABLE })
    expect(existsSync(pathOf(endpoint))).toBe(false)
  })

  test('takes the place of one that a dead process left', async () => {
    const socketPath = join(directory, 'stale.sock')
    await leaveStaleSocket(socketPath)
    const { client } = await serve({ spiffeId: WEB, socketPath })
    await client.open('FetchX509SVID').next()
  })

  test('does not take the place of one that is listened on', async () => {
    const socketPath = join(directory, 'used.sock')
    await serve({ spiffeId: WEB, socketPath })
    await expect(authority.serve({ spiffeId: JOBS, socketPath })).rejects.toEqual(
      rejected('socket-in-use'),
    )
    expect(statSync(socketPath).isSocket()).toBe(true)
  })

  test('belongs to one of two that begin at once, and the other has left nothing', async () => {
    const socketPath = join(directory, 'twice.sock')
    const both = [WEB, JOBS].map((spiffeId) => authority.serve({ spiffeId, socketPath }))
    const ends = await Promise.allSettled(both)
    const lost = ends.find(({ status: end }) => end === 'rejected')
    expect(lost).toMatchObject({ reason: rejected('socket-in-use') })
    expect(await readdir(directory)).toEqual(['twice.sock'])
    const endpoint = await Promise.any(both)
    await endpoint.close()
    expect(await readdir(directory)).toEqual([])
  })

  test('that another process has put in its place stays when the endpoint closes', async () => {
    const socketPath = join(directory, 'replaced.sock')
    const { endpoint, client } = await serve({ spiffeId: WEB, socketPath })
    client.close()
    const other = await listen(`${socketPath}.other`)
    await rename(`${socketPath}.other`, socketPath)
    await endpoint.close()
    expect(statSync(socketPath).isSocket()).toBe(true)
    await new Promise((resolve) => other.close(resolve))
  })

  test('stays when its endpoint is started although it has been', async () => {
    const socketPath = join(directory, 'started.sock')
    const { endpoint, client } = await serve({ spiffeId: WEB, socketPath })
    await expect(endpoint.start()).rejects.toEqual(rejected('socket-in-use'))
    await client.open('FetchX509SVID').next()
  })

  test('does not take the place of a file', async () => {
    const socketPath = join(directory, 'file')
    writeFileSync(socketPath, 'precious')
    await expect(authority.serve({ spiffeId: WEB, socketPath })).rejects.toEqual(
      rejected('invalid-socket-path'),
    )
    expect(statSync(socketPath).size).toBe(8)
  })

  test.each([
    ['is relative', 'agent.sock'],
    ['is longer than 107 bytes', `/tmp/${'é'.repeat(52)}`],
    ['contains a NUL', '/tmp/a\0b'],
    ['lies in a directory that does not exist', '/nonexistent/agent.sock'],
  ])('is refused when its path %s', async (_, socketPath) => {
    await expect(authority.serve({ spiffeId: WEB, socketPath })).rejects.toEqual(
      rejected('invalid-socket-path'),
    )
  })

  test('may have a path of 107 bytes', async () => {
    const socketPath = join(directory, 'x'.repeat(107 - directory.length - 1))
    const { client } = await serve({ spiffeId: WEB, socketPath })
    await client.open('FetchX509SVID').next()
  })

  test('may have a path of 107 bytes of which its directory leaves little', async () => {
    const deep = join(directory, 'x'.repeat(107 - directory.length - 1 - 4))
    await mkdir(deep)
    const { endpoint, client } = await serve({ spiffeId: WEB, socketPath: join(deep, 'a.s') })
    await client.open('FetchX509SVID').next()
    expect(await readdir(deep)).toEqual(['a.s'])
    await endpoint.restart()
    await endpoint.close()
    expect(await readdir(deep)).toEqual([])
  })

  test('may be TCP on loopback, with the same port after a restart', async () => {
    const { endpoint, client } = await serve({ spiffeId: WEB, tcpPort: 0 })
    expect(endpoint.address).toMatch(/^tcp:\/\/127\.0\.0\.1:[1-9]\d*$/)
    const stream = client.open('FetchX509SVID')
    await stream.next()
    const { address } = endpoint
    await endpoint.restart()
    await stream.ended
    expect(endpoint.address).toBe(address)
    await client.open('FetchX509SVID').next()
  })
})

describe('an endpoint', () => {
  const options: readonly [string, WorkloadEndpointOptions, string][] = [
    ['without any identity', {}, 'invalid-option'],
    ['with one and several', { spiffeId: WEB, identities: [] }, 'invalid-option'],
    ['with a hint for several', { identities: [], hint: 'a' }, 'invalid-option'],
    ['with two places', { spiffeId: WEB, socketPath: '/a', tcpPort: 0 }, 'invalid-option'],
    ['with a port that is none', { spiffeId: WEB, tcpPort: 65_536 }, 'invalid-option'],
    ['for another trust domain', { spiffeId: 'spiffe://b.test/web' }, 'foreign-spiffe-id'],
    ['for what is no SPIFFE ID', { spiffeId: 'web' }, 'invalid-spiffe-id'],
  ]

  test.each(options)('%s is refused', async (_, given, code) => {
    await expect(authority.serve(given)).rejects.toEqual(rejected(code))
  })

  test('with an option that is not known is refused', async () => {
    const misspelt = { spiffeId: WEB, socketpath: '/tmp/a' }
    await expect(authority.serve(misspelt)).rejects.toEqual(rejected('unknown-option'))
  })

  test('shows no key in inspect or JSON', async () => {
    const { endpoint, client } = await serve()
    const svid = readFields(one(await client.open('FetchX509SVID').nextFields(), 1))
    const shown =
      inspect(endpoint, { depth: Infinity, showHidden: true }) + JSON.stringify(endpoint)
    expect(shown).not.toContain(one(svid, 3).toString('base64').slice(-40))
    expect(shown).not.toContain(one(svid, 3).toString('hex').slice(-40))
  })
})

/** A socket file that nobody listens on, as after a crash. */
async function leaveStaleSocket(path: string): Promise<void> {
  const server = await listen(`${path}.live`)
  await rename(`${path}.live`, path)
  await new Promise((resolve) => server.close(resolve))
}

function listen(path: string): Promise<NetServer> {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject)
    server.listen(path, () => resolve(server))
  })
}
