import { Authority, type InProcessSource } from '@fastify-spiffe/authority'
import { chain, Chains } from '@fastify-spiffe/chain'
import { createDispatcher, type SvidDispatcher } from '@fastify-spiffe/fetch'
import { peer } from '@fastify-spiffe/peer'
import { spiffeServer } from '@fastify-spiffe/svid'
import Fastify, { type FastifyRequest } from 'fastify'
import { request } from 'undici'
import { compare, type Comparison } from './paired.ts'

const WEB = 'spiffe://example.org/acme/web'
const CHECKOUT = 'spiffe://example.org/acme/checkout'
const LEDGER = 'spiffe://example.org/acme/ledger'
const WORKERS = 10
const UNITS = 1000

/** A call of `web` to `checkout`, which calls `ledger`: with a chain that both verify, and without. */
export async function compareChains(): Promise<Comparison[]> {
  await using authority = await Authority.create({ trustDomain: 'example.org', intermediates: 1 })
  const [web, checkout, ledger] = await Promise.all(
    [WEB, CHECKOUT, LEDGER].map((id) => authority.source(id)),
  )
  const closing: Closing = []
  const scene = { web: web!, checkout: checkout!, ledger: ledger! }
  const ours = await path(scene, true, closing)
  const bare = await path(scene, false, closing)
  const compared = await compare(
    { ours, bare },
    {
      name: 'a call over two hops, with a chain against without',
      unit: 'call',
      units: UNITS,
      rounds: 14,
      goal: 0.8,
    },
  )
  for (const close of closing.toReversed()) await close()
  return [compared]
}

/** What ends services and clients, in the order in which they were made. */
type Closing = (() => Promise<unknown>)[]

type Scene = Readonly<Record<'web' | 'checkout' | 'ledger', InProcessSource>>

/** Both services and all clients, in this process. */
async function path(
  { web, checkout, ledger }: Scene,
  hasChain: boolean,
  closing: Closing,
): Promise<() => Promise<void>> {
  const last = await serve(ledger, hasChain ? [] : null, closing, () => async () => 'ok')
  const onwards = dispatcherFor(checkout, LEDGER, closing)
  const first = await serve(
    checkout,
    hasChain ? [LEDGER] : null,
    closing,
    (headersOf) => async (call) => get(onwards, last, headersOf(call)),
  )
  const chains = new Chains({ source: web, handTo: [CHECKOUT] })
  const inwards = dispatcherFor(web, CHECKOUT, closing)
  return async () => {
    const worker = async (): Promise<void> => {
      for (let sent = 0; sent < UNITS / WORKERS; sent++) {
        await get(inwards, first, hasChain ? { ...chains.headersFor(CHECKOUT, null) } : {})
      }
    }
    await Promise.all(Array.from({ length: WORKERS }, worker))
  }
}

type Headers = Record<string, string>
type Handler = (call: FastifyRequest) => Promise<string>

/** Serves, and returns the URL. Without a list, no chain is looked at. */
async function serve(
  source: InProcessSource,
  handTo: readonly string[] | null,
  closing: Closing,
  handlerOf: (headersOf: (call: FastifyRequest) => Headers) => Handler,
): Promise<string> {
  const app = Fastify(spiffeServer(source))
  await app.register(peer)
  if (handTo !== null) await app.register(chain, { source, handTo })
  app.get(
    '/',
    handlerOf((call) => (handTo === null ? {} : { ...call.chainHeaders(LEDGER) })),
  )
  closing.push(() => app.close())
  return app.listen({ host: '127.0.0.1', port: 0 })
}

function dispatcherFor(source: InProcessSource, server: string, closing: Closing): SvidDispatcher {
  const dispatcher = createDispatcher({ source, server, pool: { connections: WORKERS } })
  closing.push(() => dispatcher.destroy())
  return dispatcher
}

async function get(dispatcher: SvidDispatcher, url: string, headers: Headers): Promise<string> {
  const { statusCode, body } = await request(url, { dispatcher, headers })
  if (statusCode !== 200) throw new Error(`status ${statusCode}`)
  return body.text()
}
