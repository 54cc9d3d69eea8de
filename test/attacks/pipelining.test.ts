import { once } from 'node:events'
import type { TLSSocket } from 'node:tls'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import type { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { bundlesOf } from '../support/verdict.ts'
import { answerOf, dial, GET, LAST_GET } from './support/attacker.ts'
import { held } from './support/held.ts'
import { mintNamesake, ORDERS, sourceOf, WEB } from './support/scene.ts'
import { mutualTls, plainService, protectedService, type Service } from './support/services.ts'

let authority: MintedCa
let removed: MintedCa
let web: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  removed = await mintNamesake('example.org')
  web = await removed.mint(WEB)
})

const statusesOf = (answer: string): string[] =>
  [...answer.matchAll(/HTTP\/1\.1 (\d{3}) /g)].map(([, status]) => String(status))

const removeAuthority = (source: ScriptedSource): void =>
  source.set(source.svid, bundlesOf(authority))

/** Counts what the parser hands out, whoever is asked about it. */
const parsed = ({ server }: Service) => {
  let count = 0
  const listeners = new Set<() => void>()
  server.on('request', () => {
    count += 1
    for (const tell of listeners) tell()
  })
  return {
    reaches: (wanted: number): Promise<void> =>
      new Promise((resolve) => {
        const check = (): void => void (count >= wanted && resolve())
        listeners.add(check)
        check()
      }),
  }
}

/** A kept connection with one request answered. */
const keep = async ({ port }: Service, options: object = {}): Promise<TLSSocket> => {
  const socket = dial(port, web, options)
  socket.write(GET)
  await once(socket, 'data')
  return socket
}

test('on Node alone a kept connection goes on after its authority was removed', async () => {
  const options = mutualTls(await authority.mint(ORDERS), authority, removed)
  await using service = await plainService(options)
  const socket = await keep(service)
  service.server.setSecureContext({ ...options, ca: [authority.certificatePem] })
  socket.write(GET + LAST_GET)
  expect(statusesOf(await answerOf(socket))).toEqual(['200', '200'])
  expect(service.callers).toEqual([WEB, WEB, WEB])
})

describe('requests of a client whose authority is removed meanwhile', () => {
  test('that are pipelined behind one that is being answered reach no handler', async () => {
    const source = await sourceOf(authority, removed)
    const slow = held()
    await using service = await protectedService(source, { equip: slow.equip })
    const requests = parsed(service)
    const socket = dial(service.port, web)
    const answer = answerOf(socket)
    socket.write(GET)
    await slow.arrival
    removeAuthority(source)
    socket.write(GET + GET)
    await requests.reaches(3)
    slow.release()
    expect(statusesOf(await answer)).toEqual(['200'])
    expect(service.callers).toEqual([WEB])
  })

  test('that were accepted before are all answered, and then the connection ends', async () => {
    const source = await sourceOf(authority, removed)
    const slow = held()
    await using service = await protectedService(source, { equip: slow.equip })
    const requests = parsed(service)
    const socket = dial(service.port, web)
    const answer = answerOf(socket)
    socket.write(GET + GET + GET)
    await slow.arrival
    await requests.reaches(3)
    removeAuthority(source)
    slow.release()
    expect(statusesOf(await answer)).toEqual(['200', '200', '200'])
    expect(service.callers).toEqual([WEB, WEB, WEB])
  })

  test('that come on an idle connection are refused, or not heard', async () => {
    const source = await sourceOf(authority, removed)
    await using service = await protectedService(source)
    const socket = await keep(service)
    removeAuthority(source)
    socket.write(GET.repeat(10))
    expect(statusesOf(await answerOf(socket)).filter((status) => status !== '401')).toEqual([])
    expect(service.callers).toEqual([WEB])
  })

  test('that come after the service has said goodbye reach no handler', async () => {
    const source = await sourceOf(authority, removed)
    await using service = await protectedService(source)
    const accepted = once(service.server, 'secureConnection')
    // A client that hears the end of the other side, and does not end its own.
    const socket = await keep(service, { allowHalfOpen: true })
    const [connection] = (await accepted) as [TLSSocket]
    const closed = once(connection, 'close')
    removeAuthority(source)
    await once(socket, 'end')
    socket.on('error', () => undefined)
    socket.write(GET)
    // The service waits for no client that keeps its own end open.
    await closed
    expect(service.callers).toEqual([WEB])
    socket.destroy()
  })
})

describe('what follows a request that says that it is the last', () => {
  test('is not another request', async () => {
    await using service = await protectedService(await sourceOf(authority, removed))
    const socket = dial(service.port, web)
    socket.write(LAST_GET + GET + GET)
    // Node may call it a bad request before the first one is answered.
    expect(statusesOf(await answerOf(socket))).toHaveLength(1)
    expect(service.callers).toEqual([WEB])
  })

  test('is not one on a connection that was refused', async () => {
    let now = Date.now()
    const source = await sourceOf(authority, removed)
    const options = { clock: () => now, onPeerExpiry: 'ignore' } as const
    await using service = await protectedService(source, options)
    const socket = await keep(service)
    now += 7_200_000
    const answer = answerOf(socket)
    socket.write(GET)
    socket.write(GET + GET)
    expect(new Set(statusesOf(await answer))).toEqual(new Set(['401']))
    expect(service.callers).toEqual([WEB])
  })
})
