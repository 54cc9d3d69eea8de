import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, jest, test } from '@jest/globals'
import { Relay, type Place } from '@fastify-spiffe-test/kit/relay'

jest.setTimeout(10_000)

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'relay-'))
})

afterEach(() => rm(directory, { recursive: true, force: true }))

/** All that arrives at a socket, until it ends or breaks. */
async function untilEnd(socket: Socket): Promise<string> {
  let heard = ''
  socket.on('data', (chunk) => (heard += String(chunk)))
  await new Promise((resolve) => socket.once('end', resolve).once('close', resolve))
  return heard
}

/** What arrives at a socket, until there are so many bytes. */
async function arriving(socket: Socket, bytes: number): Promise<string[]> {
  const chunks: string[] = []
  while (chunks.join('').length < bytes) chunks.push(String((await once(socket, 'data'))[0]))
  return chunks
}

const places = {
  'Unix sockets': (name: string): Place => ({ path: join(directory, name) }),
  TCP: (): Place => ({ port: 0 }),
}

describe.each(Object.entries(places))('on %s', (_kind, place) => {
  let server: Server
  let relay: Relay
  const accepted: Socket[] = []

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true }, (socket) => accepted.push(socket))
    server.listen(place('server'))
    await once(server, 'listening')
    const address = server.address()
    const to = typeof address === 'object' && address !== null ? { port: address.port } : null
    relay = await Relay.open({ at: place('relay'), to: to ?? place('server') })
  })

  afterEach(async () => {
    await relay[Symbol.asyncDispose]()
    for (const socket of accepted.splice(0)) socket.destroy()
    server.close()
  })

  /** Both ends of a connection through the relay. */
  async function connected(): Promise<{ client: Socket; peer: Socket }> {
    const arrival = once(server, 'connection')
    const at = 'port' in place('') ? { port: relay.port } : place('relay')
    const client = connect({ ...at, allowHalfOpen: true })
    client.on('error', () => {})
    const [peer] = (await arrival) as [Socket]
    peer.on('error', () => {})
    return { client, peer }
  }

  test('passes on what either side says, and the end of it', async () => {
    const { client, peer } = await connected()
    client.end('a question')
    expect(await untilEnd(peer)).toBe('a question')
    peer.end('an answer')
    expect(await untilEnd(client)).toBe('an answer')
  })

  test('drips one byte at a time, in one direction', async () => {
    const { client, peer } = await connected()
    relay.up.drip(1, 1)
    client.write('slowly')
    expect((await arriving(peer, 6)).length).toBeGreaterThan(3)
    peer.write('at once')
    expect(await arriving(client, 7)).toEqual(['at once'])
  })

  test('delays', async () => {
    const { client, peer } = await connected()
    relay.up.delay(50)
    const sentAt = performance.now()
    client.write('late')
    await once(peer, 'data')
    expect(performance.now() - sentAt).toBeGreaterThan(45)
  })

  test('holds back while it is paused, and then says all', async () => {
    const { client, peer } = await connected()
    relay.up.pause()
    client.write('later')
    peer.write('now')
    expect(await arriving(client, 3)).toEqual(['now'])
    expect(peer.bytesRead).toBe(0)
    relay.up.resume()
    expect(await arriving(peer, 5)).toEqual(['later'])
  })

  test('half-closes: one direction ends, the other goes on', async () => {
    const { client, peer } = await connected()
    relay.down.end()
    client.resume()
    await once(client, 'end')
    client.write('still here')
    expect(await arriving(peer, 10)).toEqual(['still here'])
  })

  test('injects what nobody sent', async () => {
    const { client, peer } = await connected()
    peer.write('true ')
    await once(client, 'data')
    relay.down.inject(Buffer.from('false'))
    expect(await arriving(client, 5)).toEqual(['false'])
  })

  test('cuts after so many bytes', async () => {
    const { client, peer } = await connected()
    relay.down.cutAfter(4)
    peer.write('truncated')
    expect(await untilEnd(client)).toBe('trun')
    client.end()
    await once(client, 'close')
    expect(relay.connections).toBe(0)
  })

  test('cuts, and both sides hear of it', async () => {
    const { client, peer } = await connected()
    const ends = [client, peer].map((socket) => untilEnd(socket))
    relay.cut()
    expect(await Promise.all(ends)).toEqual(['', ''])
    expect(relay.connections).toBe(0)
  })

  test('refuses, keeps who is there, and accepts again at the same place', async () => {
    const { client, peer } = await connected()
    const { address } = relay
    await relay.refuse()
    expect(await refusal()).toMatch(/ECONNREFUSED|ENOENT/)
    client.write('kept')
    expect(await arriving(peer, 4)).toEqual(['kept'])
    await relay.accept()
    expect(relay.address).toBe(address)
    await connected()
    expect(relay.connections).toBe(2)
  })

  async function refusal(): Promise<unknown> {
    const at = 'port' in place('') ? { port: relay.port } : place('relay')
    const error = await new Promise<NodeJS.ErrnoException>((resolve) =>
      connect(at).once('error', resolve),
    )
    return error.code
  }
})
