// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { once } from 'node:events'
import {
  type Client,
  type ServerDuplexStream,
  type ServerUnaryCall,
  type sendUnaryData,
  type ServiceError,
  status,
} from '@grpc/grpc-js'
import { chainHeaders, Chains, currentChain, currentPeer } from '@fastify-spiffe/chain'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { chainOf, createGrpcClient, type GrpcServer, type SvidChannelOptions } from './index.ts'
import { API_ID, SERVER_ID, Stage, WEB_ID, words, Words } from './stage.test.helper.ts'

let stage: Stage
beforeEach(async () => {
  stage = await Stage.set()
})
afterEach(() => stage.clear())

async function sourceOf(id: string): Promise<ScriptedSource> {
  return new ScriptedSource((await stage.authority.mint(id)).toX509Svid(), stage.bundles)
}

const named = (): string =>
  `${String(currentPeer()?.spiffeId)} for ${String(currentChain()?.origin)}`

/** A server whose handlers tell who calls, and on whose behalf, from the context alone. */
async function serve(): Promise<{ port: number; server: GrpcServer }> {
  const chains = new Chains({ source: stage.source })
  const server = await stage.open({ chains })
  const say = (call: ServerUnaryCall<string, string>, callback: sendUnaryData<string>): void => {
    const origin = String(chainOf(call)?.origin)
    setImmediate(() => callback(null, `${named()}, ${origin}`))
  }
  const echo = (call: ServerDuplexStream<string, string>): void => {
    call.on('data', () => call.write(named())).on('end', () => call.end())
  }
  server.addService(
    { Say: words.Say, Echo: words.Echo },
    { Say: say, Echo: echo },
    {
      rule: { allow: [API_ID], onBehalfOf: [WEB_ID] },
    },
  )
  return { server, port: (await server.listen({ port: 0 })).port }
}

async function clientOf(port: number, options: Partial<SvidChannelOptions> = {}): Promise<Words> {
  const source = await sourceOf(API_ID)
  const target = `127.0.0.1:${port}`
  const client = createGrpcClient(Words, { target, source, server: SERVER_ID, ...options })
  return stage.keep(client, (it) => it.close())
}

/** Runs something as the workload `api` does that was called by `web`. */
async function onBehalfOfWeb<T>(run: () => T, id = WEB_ID): Promise<T> {
  const [web, api] = [await sourceOf(id), await sourceOf(API_ID)]
  const ofWeb = new Chains({ source: web, handTo: [API_ID] })
  const ofApi = new Chains({ source: api, handTo: [SERVER_ID] })
  const { 'svid-chain': chain, 'svid-chain-certs': certificates } = ofWeb.headersFor(API_ID, null)
  const peer = { spiffeId: web.svid!.spiffeId } as Parameters<Chains['verify']>[1]
  const verified = ofApi.verify({ chain: [chain], certificates: [certificates] }, peer)
  if (!verified.ok) throw new Error(verified.code)
  return ofApi.run(null, verified.chain, run)
}

function failureOf(client: Client): Promise<ServiceError & { readonly cause?: unknown }> {
  const { path, requestSerialize, responseDeserialize } = words.Say
  return new Promise((resolve) => {
    client.makeUnaryRequest(path, requestSerialize, responseDeserialize, 'x', (error) =>
      resolve(error!),
    )
  })
}

describe('a chain', () => {
  test('comes with a call, decides, and is known to everything that a handler starts', async () => {
    const { port } = await serve()
    const client = await clientOf(port, { chainHeaders })
    expect(await onBehalfOfWeb(() => client.say())).toBe(`${API_ID} for ${WEB_ID}, ${WEB_ID}`)
  })

  test('is known to the events of a stream', async () => {
    const { port } = await serve()
    const client = await clientOf(port, { chainHeaders })
    const stream = await onBehalfOfWeb(() => client.echo())
    for (const word of ['one', 'two']) {
      stream.write(word)
      // oxlint-disable-next-line no-await-in-loop -- one word after another
      expect(await once(stream, 'data')).toEqual([`${API_ID} for ${WEB_ID}`])
    }
    stream.end()
  })

  test('is demanded by its rule, and refused where it is not valid', async () => {
    const { port } = await serve()
    const client = await clientOf(port)
    expect(await client.say()).toBe(status.PERMISSION_DENIED)
    expect(await client.say('x', { 'svid-chain': 'a.b.c' })).toBe(status.UNAUTHENTICATED)
  })

  test('that cannot be made sends nothing', async () => {
    const { port, server } = await serve()
    const client = await clientOf(port, { chainHeaders })
    const failure = await failureOf(client)
    expect(failure).toMatchObject({
      code: status.FAILED_PRECONDITION,
      cause: { code: 'no-context' },
    })
    expect(server.identity.counters.accepted).toBe(0)
  })

  test('cannot be given twice, nor for whoever answers', async () => {
    const { port } = await serve()
    const client = await clientOf(port, { chainHeaders: () => ({ 'svid-chain': 'a' }) })
    expect(await client.say('x', { 'svid-chain': 'b' })).toBe(status.FAILED_PRECONDITION)
    const anybody = clientOf(port, { server: 'spiffe://example.org/**', chainHeaders })
    await expect(anybody).rejects.toMatchObject({ code: 'invalid-option' })
  })

  test("decides whose tenant a call is about with tenantOf: 'origin'", async () => {
    const server = await stage.open({
      chains: new Chains({ source: stage.source }),
      tenant: '/{tenant}/{workload}',
      tenantOf: 'origin',
    })
    const say = (call: ServerUnaryCall<string, string>, callback: sendUnaryData<string>): void =>
      callback(null, server.tenantOf(call)?.name)
    server.addService({ Say: words.Say }, { Say: say }, { rule: { allow: [API_ID] } })
    const client = await clientOf((await server.listen({ port: 0 })).port, { chainHeaders })
    const ofGlobex = 'spiffe://example.org/globex/web'
    expect(await onBehalfOfWeb(() => client.say(), ofGlobex)).toBe('globex')
    expect(await onBehalfOfWeb(() => client.say())).toBe('acme')
  })

  test('may be named by no rule of a server that does not verify chains', async () => {
    const server = await stage.open()
    const add = (): void =>
      server.addService({ Say: words.Say }, {}, { rule: { allow: [API_ID], onBehalfOf: [WEB_ID] } })
    expect(add).toThrow(expect.objectContaining({ code: 'invalid-rule' }))
    await expect(stage.open({ chains: {} as never })).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })
})
