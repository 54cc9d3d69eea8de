import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { callbackify } from 'node:util'
import { chain, chainHeaders, Chains } from '@fastify-spiffe/chain'
import { createDispatcher } from '@fastify-spiffe/fetch'
import { createGrpcClient, GrpcServer } from '@fastify-spiffe/grpc'
import { Client, type MethodDefinition, type sendUnaryData } from '@grpc/grpc-js'
import Fastify, { type FastifyReply, type FastifyRequest } from 'fastify'
import { authz, peer, spiffeServer, svid, SvidAgent, type X509Source } from 'fastify-spiffe'

const NAMES = ['web', 'shop', 'checkout', 'ledger', 'audit'] as const
type Name = (typeof NAMES)[number]

function idOf(name: Name): string {
  return `spiffe://a.test/acme/${name}`
}

/** All workloads, the first caller first. */
export const WORKLOADS: readonly string[] = NAMES.map(idOf)

const READ: MethodDefinition<string, string> = {
  path: '/chain.v1.Ledger/Read',
  requestStream: false,
  responseStream: false,
  requestSerialize: (word) => Buffer.from(word),
  requestDeserialize: (bytes) => bytes.toString(),
  responseSerialize: (word) => Buffer.from(word),
  responseDeserialize: (bytes) => bytes.toString(),
}

/**
 * Services that call one another: `web` calls `shop` over HTTP, `shop` calls `checkout` over HTTP, `checkout` calls `ledger`
 * over gRPC, and `ledger` calls `audit` over HTTP, which says who stands in the chain. Each but the first lets in the one
 * before it alone, on behalf of `web`.
 */
export class ChainOfServices implements AsyncDisposable {
  readonly #sources: ReadonlyMap<string, X509Source>
  readonly #closing: (() => unknown)[] = []
  readonly #web: SvidAgent
  readonly #chains: Chains
  #port = 0

  private constructor(sources: ReadonlyMap<string, X509Source>) {
    this.#sources = sources
    const source = this.#source('web')
    this.#chains = new Chains({ source, handTo: [idOf('shop')] })
    this.#web = this.#agent('web', 'shop', (audience) => this.#chains.headersFor(audience, null))
  }

  /** @param sources - one for each of {@link WORKLOADS} */
  static async start(sources: ReadonlyMap<string, X509Source>): Promise<ChainOfServices> {
    const services = new ChainOfServices(sources)
    const audit = await services.#serveAudit()
    const ledger = await services.#serveLedger(audit)
    const checkout = await services.#serveCheckout(ledger)
    services.#port = await services.#serveShop(checkout)
    return services
  }

  /** Calls as `web`. The answer has the chain as the last service sees it. */
  async call(): Promise<{ readonly status: number | undefined; readonly body: string }> {
    return get(this.#web, this.#port)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const close of this.#closing.toReversed()) await close()
  }

  #serveAudit(): Promise<number> {
    return this.#serveHttp('audit', null, 'ledger', ({ chain: found }) =>
      [found?.origin, ...(found?.via ?? []), found?.caller].join(' '),
    )
  }

  async #serveLedger(audit: number): Promise<number> {
    const source = this.#source('ledger')
    const agent = this.#agent('ledger', 'audit', chainHeaders)
    const chains = new Chains({ source, handTo: [idOf('audit')] })
    const server = await GrpcServer.open({ source, chains })
    const ask = callbackify(async () => (await get(agent, audit)).body)
    const read = (_call: unknown, callback: sendUnaryData<string>): void =>
      ask((error, answer) => callback(error && { details: error.message }, answer))
    const rule = { allow: [idOf('checkout')], onBehalfOf: [idOf('web')], via: [idOf('shop')] }
    server.addService({ Read: READ }, { Read: read }, { rule })
    this.#closing.push(() => server.close())
    return (await server.listen({ host: '127.0.0.1', port: 0 })).port
  }

  #serveCheckout(ledger: number): Promise<number> {
    const client = createGrpcClient(Client, {
      source: this.#source('checkout'),
      target: `127.0.0.1:${ledger}`,
      server: idOf('ledger'),
      chainHeaders,
    })
    this.#closing.push(() => client.close())
    const read = (): Promise<string> =>
      new Promise((resolve, reject) => {
        const { path, requestSerialize, responseDeserialize } = READ
        client.makeUnaryRequest(
          path,
          requestSerialize,
          responseDeserialize,
          'read',
          (error, answer) => {
            if (error === null) resolve(answer ?? '')
            else reject(error)
          },
        )
      })
    return this.#serveHttp('checkout', 'ledger', 'shop', read)
  }

  #serveShop(checkout: number): Promise<number> {
    const source = this.#source('shop')
    const dispatcher = createDispatcher({ source, server: idOf('checkout'), chainHeaders })
    this.#closing.push(() => dispatcher.close())
    return this.#serveHttp('shop', 'checkout', 'web', async (_request, reply) => {
      const response = await dispatcher.fetch(`https://127.0.0.1:${checkout}/`)
      return reply.code(response.status).send(await response.text())
    })
  }

  async #serveHttp(
    name: Name,
    next: Name | null,
    caller: Name,
    handler: (request: FastifyRequest, reply: FastifyReply) => unknown,
  ): Promise<number> {
    const source = this.#source(name)
    const app = Fastify(spiffeServer(source))
    await app.register(svid, { source })
    await app.register(peer)
    await app.register(chain, { source, handTo: next === null ? [] : [idOf(next)] })
    await app.register(authz)
    const between = WORKLOADS.slice(1, WORKLOADS.indexOf(idOf(caller)))
    const rule = { allow: [idOf(caller)], onBehalfOf: [idOf('web')], via: between }
    app.get('/', { config: { spiffe: rule } }, (request, reply) => handler(request, reply))
    this.#closing.push(() => app.close())
    return Number(new URL(await app.listen({ host: '127.0.0.1', port: 0 })).port)
  }

  #agent(name: Name, server: Name, headers: (audience: string) => object): SvidAgent {
    const source = this.#source(name)
    const agent = new SvidAgent({
      source,
      server: idOf(server),
      chainHeaders: headers,
      keepAlive: true,
    })
    this.#closing.push(() => agent.destroy())
    return agent
  }

  #source(name: Name): X509Source {
    const source = this.#sources.get(idOf(name))
    if (source === undefined) throw new Error(`no source of ${name}`)
    return source
  }
}

async function get(
  agent: SvidAgent,
  port: number,
): Promise<{ readonly status: number | undefined; readonly body: string }> {
  const [response] = await once(https.get({ host: '127.0.0.1', port, agent }), 'response')
  return { status: response.statusCode, body: await text(response) }
}
