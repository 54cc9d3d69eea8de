import dns from 'node:dns'
import { once } from 'node:events'
import net from 'node:net'
import { networkInterfaces } from 'node:os'
import type { TLSSocket } from 'node:tls'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { peer } from '@fastify-spiffe/peer'
import { spiffeServer } from '@fastify-spiffe/svid'
import Fastify, { type FastifyInstance, type RawServerBase } from 'fastify'
import { attempt } from './support/attacker.ts'
import { mintNamesake, ORDERS, sourceOf, WEB } from './support/scene.ts'
import { mutualTls } from './support/services.ts'

let authority: MintedCa
let web: MintedCertificate
let stranger: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  web = await authority.mint(WEB)
  stranger = await (await mintNamesake('example.org')).mint(WEB)
})

const hasIpv6 = Object.values(networkInterfaces()).some((addresses) =>
  addresses?.some(({ address }) => address === '::1'),
)
if (!hasIpv6) {
  process.stderr.write('skipped: the hidden listener on ::1, for there is no such address here\n')
}

const pairs: [string, string][] = [
  ['127.0.0.1', '127.0.0.2'],
  ...(hasIpv6
    ? ([
        ['127.0.0.1', '::1'],
        ['::1', '127.0.0.1'],
      ] as [string, string][])
    : []),
]

type Answered = (error: null, addresses: unknown, family?: number) => void

/** Listens on `localhost` of a machine where that has these addresses, in this order. */
const listen = async <Server extends RawServerBase>(
  app: FastifyInstance<Server>,
  names: readonly string[],
): Promise<number> => {
  const { lookup } = dns
  const found = names.map((address) => ({ address, family: net.isIP(address) }))
  const stub = (host: string, ...rest: [Answered] | [{ all?: boolean }, Answered]): void => {
    const all = host === 'localhost' ? found : [{ address: host, family: net.isIP(host) }]
    const [options, answer] = rest.length === 1 ? [{}, rest[0]] : rest
    if (options.all === true) answer(null, all)
    else answer(null, all[0]?.address, all[0]?.family)
  }
  Object.assign(dns, { lookup: stub })
  try {
    return Number(new URL(await app.listen({ host: 'localhost', port: 0 })).port)
  } finally {
    Object.assign(dns, { lookup })
  }
}

describe.each(pairs)('on a machine where localhost is %s and %s', (first, second) => {
  test('a guard on the server of Fastify is passed by way of the second address', async () => {
    await using app = Fastify({ https: await unverified() })
    // A verifier of its own, as carefully as it can: at once, and before any other.
    app.server.prependListener('secureConnection', (socket: TLSSocket) => socket.destroy())
    app.get('/', () => 'come in')
    const port = await listen(app, [first, second])
    expect(app.addresses()).toHaveLength(2)
    expect(await attempt(port, stranger, { host: first })).toMatchObject({ body: null })
    expect(await attempt(port, stranger, { host: second })).toMatchObject({ body: 'come in' })
  })

  test('nobody listens at the second address', async () => {
    await using app = Fastify(spiffeServer(await sourceOf(authority)))
    await app.register(peer)
    app.get('/', (request) => String(request.spiffeId))
    const port = await listen(app, [first, second])
    expect(app.addresses()).toMatchObject([{ address: first }])
    expect(await attempt(port, stranger, { host: first })).toMatchObject({ body: null })
    expect(await attempt(port, web, { host: first })).toMatchObject({ body: WEB })
    const socket = net.connect(port, second)
    const [error] = await once(socket, 'error')
    expect(error).toMatchObject({ code: 'ECONNREFUSED' })
  })
})

const unverified = async () => ({
  ...mutualTls(await authority.mint(ORDERS)),
  rejectUnauthorized: false,
})
