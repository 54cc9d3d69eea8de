import { once } from 'node:events'
import { request } from 'node:https'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { matchAny } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  connect,
  createSvidServer,
  createSvidTlsServer,
  peerOf,
  SvidAgent,
  TlsError,
} from '../index.ts'
import { bundlesOf, call, codeOf, HeldSource, Loopback } from '../loopback.test.helper.ts'

const WEB_ID = 'spiffe://example.org/acme/web'
const allowing = { allowIntermediatesOfOtherTrustDomains: true }

let source: HeldSource
let foreign: HeldSource

beforeAll(async () => {
  const authority: MintedCa = await mintRootCa('example.org')
  const below = await authority.mintCa({ uris: ['spiffe://other.test'] })
  const bundles = bundlesOf(authority)
  source = new HeldSource((await authority.mint('spiffe://example.org/me')).toX509Svid(), bundles)
  foreign = new HeldSource((await below.mint(WEB_ID)).toX509Svid(), bundles)
})

describe('an intermediate of another trust domain', () => {
  test('is refused by servers, and let in by the option', async () => {
    for (const [options, answer] of [
      [{}, null],
      [allowing, WEB_ID],
    ] as const) {
      await using server = await Loopback.serve(source, options)
      const { port } = server
      const { body } = await call(port, foreign.svid)
      expect(body).toBe(answer)
    }
  })

  test('is refused by clients, and let in by the option, which do not share what they remember', async () => {
    await using server = await Loopback.serve(foreign)
    const target = { source, host: '127.0.0.1', port: server.port, server: matchAny() }
    const allowed = async (): Promise<void> => {
      const socket = await connect({ ...target, ...allowing })
      expect(peerOf(socket)?.spiffeId.toString()).toBe(WEB_ID)
      socket.destroy()
    }
    const refused = { code: 'server-refused', rejection: 'issuer-id-foreign' }
    await allowed()
    await expect(connect(target)).rejects.toMatchObject(refused)
    await allowed()
  })

  test('is refused by agents, and let in by the option', async () => {
    await using server = await Loopback.serve(foreign)
    const get = async (options: object): Promise<unknown> => {
      const agent = new SvidAgent({ source, server: matchAny(), ...options })
      const calling = request({ host: '127.0.0.1', port: server.port, agent }).end()
      try {
        const [response] = await once(calling, 'response')
        response.resume()
        return response.statusCode
      } catch (error) {
        return error instanceof TlsError ? error.rejection : error
      } finally {
        agent.destroy()
      }
    }
    expect(await get({})).toBe('issuer-id-foreign')
    expect(await get(allowing)).toBe(200)
  })

  test('is an option of all that makes connections, and no other value than a boolean', () => {
    const odd = JSON.parse('{ "allowIntermediatesOfOtherTrustDomains": "yes" }') as object
    const server = matchAny()
    for (const make of [
      () => createSvidServer(source, odd),
      () => createSvidTlsServer(source, odd, () => undefined),
      () => new SvidAgent({ source, server, ...odd }),
    ]) {
      expect(codeOf(make)).toBe('invalid-option')
    }
    new SvidAgent({ source, server, ...allowing }).destroy()
  })
})
