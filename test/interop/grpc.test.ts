// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { fileURLToPath } from 'node:url'
import { Client, type ServiceDefinition, type ServiceError, status } from '@grpc/grpc-js'
import { createGrpcClient, GrpcServer, peerOf, SvidChannel } from '@fastify-spiffe/grpc'
import { loadSync } from '@grpc/proto-loader'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { X509Source } from 'fastify-spiffe'
import { SpireServer, Workload } from '../spire/fixture/index.ts'
import { report } from '../spire/support/report.ts'
import { goGrpc, GoClient, type GoProgram, GoServer } from './go-grpc/program.ts'
import { type Command, LeftOut } from './support/build.ts'
import { findProgram } from './support/programs.ts'
import { callThroughRotation, type Rotation } from './support/rotation.ts'
import { OURS, THEIRS } from './support/scene.ts'

/** SPIRE's fastest: a new SVID about every 5 s, which is valid for 10. */
const x509SvidTtlMs = 10_000

const proto = fileURLToPath(new URL('../../interop/go-grpc/words.proto', import.meta.url))
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file defines this service
const words = loadSync(proto)['interop.v1.Words'] as ServiceDefinition

interface Word {
  readonly value: string
}

const program = await prepareProgram()

async function prepareProgram(): Promise<GoProgram | string> {
  if (findProgram('go') === undefined) return 'no go on this machine'
  try {
    return await goGrpc()
  } catch (error) {
    if (error instanceof LeftOut) return error.message
    throw error
  }
}

if (typeof program === 'string') test.skip(`grpc-go is left out: ${program}`, () => {})
else describe(`grpc-go ${program.version}`, () => interoperate(program.command))

function interoperate(command: Command): void {
  const started: AsyncDisposable[] = []
  let source: X509Source
  let theirs: Workload

  function keep<Part extends AsyncDisposable>(part: Part): Part {
    started.unshift(part)
    return part
  }

  beforeAll(async () => {
    const server = keep(await SpireServer.start({ trustDomain: 'a.test' }))
    const workload = async (path: string): Promise<Workload> =>
      keep(await Workload.start({ server, path, x509SvidTtlMs }))
    const ours = await workload('/acme/orders')
    theirs = await workload('/acme/web')
    source = keep(await X509Source.open({ address: ours.address }))
  })

  afterAll(async () => {
    for (const part of started) await part[Symbol.asyncDispose]()
  })

  describe('as our client', () => {
    const serials = new Map<string, string>()
    let server: GrpcServer
    let port: number

    beforeAll(async () => {
      server = await GrpcServer.open({ source })
      keep({ [Symbol.asyncDispose]: () => server.close() })
      const say = (
        call: Parameters<typeof peerOf>[0] & { request: Word },
        callback: never,
      ): void => {
        const peer = peerOf(call)
        serials.set(call.request.value, peer?.serialNumber ?? '')
        // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- as gRPC calls it
        const answer = callback as (error: null, word: Word) => void
        answer(null, { value: String(peer?.spiffeId) })
      }
      const echo = (call: NodeJS.ReadWriteStream): void => void call.pipe(call)
      server.addService(words, { Say: say, Echo: echo } as never, {
        methods: { Say: { allow: [THEIRS] }, Echo: { allow: [THEIRS] } },
      })
      port = (await server.listen({ port: 0 })).port
    })

    test('is let in with its SPIFFE ID, and keeps a stream while both SVIDs rotate', async () => {
      await using client = await GoClient.start(command, theirs, port, OURS)
      await client.openStream()
      let calls = 0
      const rotation = await callThroughRotation(source, async () => {
        const word = `${++calls}`
        expect(await client.say(word)).toBe(THEIRS)
        expect(await client.echo(word)).toBe(word)
        return serials.get(word) ?? ''
      })
      expectRotated(rotation)
    })

    test('refuses a server with another SPIFFE ID', async () => {
      await using client = await GoClient.start(command, theirs, port, THEIRS)
      await expect(client.say('hello')).rejects.toThrow('unexpected ID')
    })

    test('is refused by the rule of a method', async () => {
      const strict = await GrpcServer.open({ source })
      keep({ [Symbol.asyncDispose]: () => strict.close() })
      strict.addService(words, {}, { rule: { allow: [OURS] } })
      const { port: other } = await strict.listen({ port: 0 })
      await using client = await GoClient.start(command, theirs, other, OURS)
      await expect(client.say('hello')).rejects.toThrow('PermissionDenied')
    })
  })

  describe('as our server', () => {
    function clientOf(port: number, server: string): Client & Disposable {
      const options = { target: `127.0.0.1:${port}`, source, server }
      const client = createGrpcClient(Client, options)
      return Object.assign(client, { [Symbol.dispose]: () => client.close() })
    }

    function say(client: Client, value: string): Promise<string> {
      const { path, requestSerialize, responseDeserialize } = words['Say']!
      return new Promise((resolve, reject) => {
        const done = (error: ServiceError | null, word?: Word): void => {
          if (error === null) resolve(word?.value ?? '')
          else reject(error)
        }
        client.makeUnaryRequest(path, requestSerialize, responseDeserialize, { value }, done)
      })
    }

    test('lets us in, and a stream goes on while both SVIDs rotate', async () => {
      await using server = await GoServer.start(command, theirs, [OURS])
      using client = clientOf(server.port, THEIRS)
      const { path, requestSerialize, responseDeserialize } = words['Echo']!
      const stream = client.makeBidiStreamRequest(path, requestSerialize, responseDeserialize)
      const echo = async (value: string): Promise<string> => {
        stream.write({ value })
        return await new Promise((resolve, reject) => {
          stream.once('data', (word: Word) => resolve(word.value)).once('error', reject)
        })
      }
      stream.setMaxListeners(0)
      let calls = 0
      const rotation = await callThroughRotation(source, async () => {
        const word = `${++calls}`
        expect(await say(client, word)).toBe(OURS)
        expect(await echo(word)).toBe(word)
        const channel = client.getChannel()
        const [peer] = channel instanceof SvidChannel ? channel.peers : []
        return peer?.serialNumber ?? ''
      })
      stream.end()
      expectRotated(rotation)
    })

    test('gets no call when it is another than the one that was meant', async () => {
      await using server = await GoServer.start(command, theirs, [OURS])
      using client = clientOf(server.port, OURS)
      await expect(say(client, 'hello')).rejects.toMatchObject({
        code: status.UNAVAILABLE,
        cause: { code: 'server-not-allowed' },
      })
    })

    test('refuses a caller that it does not name', async () => {
      await using server = await GoServer.start(command, theirs, [THEIRS])
      using client = clientOf(server.port, THEIRS)
      await expect(say(client, 'hello')).rejects.toMatchObject({ code: status.UNAVAILABLE })
    })
  })
}

function expectRotated({ calls, failures, svids }: Rotation): void {
  const { currentTestName = '' } = expect.getState()
  const rotated = `SVIDs: ${svids.ours} ours, ${svids.theirs} theirs`
  report(`${currentTestName}: ${calls} calls, ${failures.length} failed, ${rotated}`)
  expect(failures).toEqual([])
  expect(svids.ours).toBeGreaterThan(1)
  expect(svids.theirs).toBeGreaterThan(1)
}
