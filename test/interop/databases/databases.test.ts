import { X509Certificate } from 'node:crypto'
import { basename, dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { BundleSet, X509Bundle, type X509Svid } from '@fastify-spiffe/spiffe'
import { tlsOptions } from '@fastify-spiffe/tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { Redis as Ioredis } from 'ioredis'
import { Client, Pool } from 'pg'
import { createClient } from 'redis'
import { findProgram } from '../support/programs.ts'
import { findPostgresql, Postgresql, type ServerMaterial } from './postgresql.ts'
import { Redis } from './redis.ts'

const DATABASE = 'spiffe://example.org/acme/database'
const ORDERS = 'spiffe://example.org/acme/orders'
const HOST = '127.0.0.1'

let authority: MintedCa
let bundles: BundleSet
let material: ServerMaterial

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  bundles = BundleSet.of(X509Bundle.of(authority.trustDomain, [authority.certificate]))
  const { certificatesPem, privateKeyPem } = await authority.mint(DATABASE)
  const authorities = new X509Certificate(authority.certificate.raw).toString()
  material = { certificates: certificatesPem, privateKey: privateKeyPem, authorities }
})

/** An SVID of our client that expires so many seconds from now. */
async function svidOf(seconds: number): Promise<X509Svid> {
  const now = Date.now()
  const notAfter = Math.ceil(now / 1000 + seconds) * 1000
  return (await authority.mint(ORDERS, { notBefore: now - 60_000, notAfter })).toX509Svid()
}

/** Options as most documentation has them: with the SVID of now, for ever. */
function fixedOptions(svid: X509Svid) {
  const [cert, key] = [svid.exportCertificatesPem(), svid.exportPrivateKeyPem()]
  return { cert, key, ca: material.authorities, checkServerIdentity: () => undefined }
}

/** Waits until an SVID has expired. */
async function expiryOf({ notAfter }: X509Svid): Promise<void> {
  while (Date.now() <= notAfter) await sleep(notAfter - Date.now() + 1)
}

/** What the server says about the certificate of this connection. */
async function serialSeen(pool: Pool | Client): Promise<string> {
  const { rows } = await pool.query<{ serial: string }>(
    'select client_serial::text as serial from pg_stat_ssl where pid = pg_backend_pid()',
  )
  return BigInt(rows[0]!.serial).toString(16)
}

const serialOf = ({ leaf }: X509Svid): string => BigInt(`0x${leaf.serialNumber}`).toString(16)

const postgresql = findPostgresql()

if (postgresql === undefined) {
  describe('PostgreSQL', () => test.skip('left out: it is not on this machine', () => {}))
} else {
  describe(`PostgreSQL ${basename(dirname(postgresql))}`, () => {
    describe('as our server, of pg', () => postgresqlTests(postgresql))
  })
}

function postgresqlTests(programs: string): void {
  let database: Postgresql

  beforeAll(async () => {
    database = await Postgresql.start(programs, material)
  })

  afterAll(() => database?.[Symbol.asyncDispose]())

  const connectionOf = (ssl: object) => ({
    host: HOST,
    port: database.port,
    user: 'orders',
    database: 'postgres',
    ssl,
  })

  test('presents the SVID of the moment, through a rotation and past the expiry of the first SVID', async () => {
    const [first, second] = [await svidOf(2), await svidOf(3600)]
    const source = new ScriptedSource(first, bundles)
    const pool = new Pool({ ...connectionOf(tlsOptions({ source, server: DATABASE })), max: 1 })
    pool.on('error', () => undefined)
    expect(await serialSeen(pool)).toBe(serialOf(first))
    source.set(second, bundles)
    // A connection goes on with what it was made with, even after the expiry.
    await expiryOf(first)
    expect(await serialSeen(pool)).toBe(serialOf(first))
    const fixed = new Client(connectionOf(fixedOptions(first)))
    await expect(fixed.connect()).rejects.toThrow(/expired/i)
    const client = await pool.connect()
    client.release(true)
    expect(await serialSeen(pool)).toBe(serialOf(second))
    await pool.end()
    await source.close()
  })

  test('sends nothing to a database with another SPIFFE ID', async () => {
    const source = new ScriptedSource(await svidOf(3600), bundles)
    const client = new Client(
      connectionOf(tlsOptions({ source, server: 'spiffe://example.org/acme/other' })),
    )
    await expect(client.connect()).rejects.toMatchObject({ code: 'server-not-allowed' })
    await source.close()
  })
}

/** A client of Redis, whichever it is. */
interface RedisConnection {
  ping(): Promise<string>
  /** Ends the connection from the side of the server, and waits for the next one. */
  reconnect(): Promise<void>
  close(): void
}

type OpenRedis = (port: number, ssl: object) => Promise<RedisConnection>

const CLIENTS: Readonly<Record<string, OpenRedis>> = {
  ioredis: async (port, ssl) => {
    const client = new Ioredis({
      host: HOST,
      port,
      tls: ssl,
      retryStrategy: () => 10,
      maxRetriesPerRequest: 0,
      lazyConnect: true,
    })
    let failure: unknown
    client.on('error', (error) => (failure = error))
    await client.connect().catch(() => {
      client.disconnect()
      throw failure
    })
    return {
      ping: () => client.ping(),
      reconnect: async () => {
        const ready = new Promise((resolve) => client.once('ready', resolve))
        await client.call('CLIENT', 'KILL', 'SKIPME', 'no').catch(() => undefined)
        await ready
      },
      close: () => client.disconnect(),
    }
  },
  redis: async (port, ssl) => {
    const client = createClient({
      socket: {
        host: HOST,
        port,
        tls: true,
        reconnectStrategy: (retries) => retries < 3 && 10,
        ...ssl,
      },
    })
    client.on('error', () => undefined)
    await client.connect()
    return {
      ping: () => client.ping(),
      reconnect: async () => {
        const ready = new Promise((resolve) => client.once('ready', resolve))
        await client.sendCommand(['CLIENT', 'KILL', 'SKIPME', 'no']).catch(() => undefined)
        await ready
      },
      close: () => client.destroy(),
    }
  },
}

const redisServer = findProgram('redis-server')

if (redisServer === undefined) {
  describe('Redis', () => test.skip('left out: it is not on this machine', () => {}))
} else {
  describe('Redis', () => {
    for (const [name, open] of Object.entries(CLIENTS)) {
      describe(`as our server, of ${name}`, () => redisTests(redisServer, open))
    }
  })
}

function redisTests(program: string, open: OpenRedis): void {
  let database: Redis

  beforeAll(async () => {
    database = await Redis.start(program, material)
  })

  afterAll(() => database?.[Symbol.asyncDispose]())

  test('connects again with the SVID of the moment after the first one has expired', async () => {
    const [first, second] = [await svidOf(2), await svidOf(3600)]
    const source = new ScriptedSource(first, bundles)
    const client = await open(database.port, tlsOptions({ source, server: DATABASE }))
    expect(await client.ping()).toBe('PONG')
    source.set(second, bundles)
    await expiryOf(first)
    expect(await client.ping()).toBe('PONG')
    await client.reconnect()
    expect(await client.ping()).toBe('PONG')
    client.close()
    await source.close()
  })

  test('sends nothing to a database with another SPIFFE ID', async () => {
    const source = new ScriptedSource(await svidOf(3600), bundles)
    const options = tlsOptions({ source, server: 'spiffe://example.org/acme/other' })
    await expect(open(database.port, options)).rejects.toMatchObject({
      code: 'server-not-allowed',
    })
    await source.close()
  })
}
