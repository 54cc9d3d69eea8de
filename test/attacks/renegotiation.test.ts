import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { attempt, dial } from './support/attacker.ts'
import { Dialogue, testWith } from './support/programs.ts'
import { ADMIN, mintNamesake, ORDERS, sourceOf, WEB } from './support/scene.ts'
import { mutualTls, plainService, protectedService, type Service } from './support/services.ts'

const OLD = { minVersion: 'TLSv1.2' } as const
const PROGRAM = fileURLToPath(new URL('../../attacks/support/renegotiate.py', import.meta.url))

let authority: MintedCa
let own: MintedCertificate
let web: MintedCertificate
let folder: string
/** One process for all: to start it takes longer than what it does. */
let renegotiator: Dialogue | undefined

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  own = await authority.mint(ORDERS)
  web = await authority.mint(WEB)
  folder = await mkdtemp(join(tmpdir(), 'attacks-'))
  await store('web', web)
  await store('admin', await authority.mint(ADMIN))
  await store('forged', await (await mintNamesake('example.org')).mint(ADMIN))
})

afterAll(async () => {
  await renegotiator?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true })
})

const store = async (name: string, certificate: MintedCertificate): Promise<void> => {
  await writeFile(join(folder, `${name}.pem`), certificate.certificatesPem)
  await writeFile(join(folder, `${name}.key`), certificate.privateKeyPem, { mode: 0o600 })
}

const filesOf = (name: string): [string, string] => [
  join(folder, `${name}.pem`),
  join(folder, `${name}.key`),
]

const plain = (more: object = {}): Promise<Service> =>
  plainService({ ...mutualTls(own, authority), ...more })

/** A service that allows TLS 1.2, as it starts, and as it is after a rotation of its SVID. */
const states: [string, () => Promise<Service>][] = [
  ['before a rotation', async () => protectedService(await sourceOf(authority), OLD)],
  [
    'after a rotation',
    async () => {
      const source = await sourceOf(authority)
      const service = await protectedService(source, OLD)
      const next = (await authority.mint(ORDERS)).toX509Svid()
      source.set(next, source.bundles)
      await Promise.resolve()
      return service
    },
  ],
  [
    'with resumption, after an authority was removed',
    async () => {
      const source = await sourceOf(authority, await mintNamesake('example.org'))
      const service = await protectedService(source, { ...OLD, sessionTicketLifetimeMs: 60_000 })
      source.set(source.svid, (await sourceOf(authority)).bundles)
      await Promise.resolve()
      return service
    },
  ],
]

interface Outcome {
  readonly before: string
  readonly refusal: string | null
  readonly after: string | null
}

const renegotiateAs = async (service: Service, name: string): Promise<Outcome> => {
  renegotiator ??= new Dialogue('python3', [PROGRAM])
  const parts = [service.port, ...filesOf('web'), ...filesOf(name)]
  renegotiator.say(`${JSON.stringify(parts)}\n`)
  return JSON.parse(await renegotiator.hear(/\n$/)) as Outcome
}

describe('a client that renegotiates with another certificate', () => {
  const testWithPython = testWith('python3', '-c', "import ctypes; ctypes.CDLL('libssl.so.3')")

  testWithPython('is somebody else from then on, on Node alone', async () => {
    await using service = await plain()
    expect((await renegotiateAs(service, 'admin')).refusal).toBeNull()
    expect(service.callers).toEqual([WEB, ADMIN])
  })

  testWithPython('is so with a forged one, where Node verifies nothing', async () => {
    await using service = await plain({ ca: [], rejectUnauthorized: false })
    const names: unknown[] = []
    service.server.prependListener('request', ({ socket }) => {
      names.push(Reflect.apply(Reflect.get(socket, 'getPeerCertificate'), socket, []))
    })
    expect((await renegotiateAs(service, 'forged')).refusal).toBeNull()
    expect(names).toMatchObject([
      { subjectaltname: `URI:${WEB}` },
      { subjectaltname: `URI:${ADMIN}` },
    ])
  })

  describe.each(states)('%s', (_state, serve) => {
    testWithPython.each(['admin', 'forged'])('is refused (%s)', async (name) => {
      await using service = await serve()
      const { refusal, after } = await renegotiateAs(service, name)
      expect({ refusal, after }).toEqual({ refusal: 'no renegotiation', after: null })
      expect(service.callers).toEqual([WEB])
    })
  })
})

const connectTo = ({ port }: Service): Dialogue => {
  const [cert, key] = filesOf('web')
  const address = `127.0.0.1:${port}`
  const material = ['-cert', cert, '-cert_chain', cert, '-key', key]
  return new Dialogue('openssl', ['s_client', '-connect', address, '-tls1_2', '-crlf', ...material])
}

describe('a client that just renegotiates', () => {
  const testWithOpenssl = testWith('openssl', 'version')

  testWithOpenssl('is obeyed by Node alone', async () => {
    await using service = await plain()
    await using client = connectTo(service)
    await client.hear(/Extended master secret/)
    client.say('R\n')
    await client.hear(/RENEGOTIATING/)
    client.say('GET / HTTP/1.1\nHost: orders\n\n')
    expect(await client.hear(/acme\/web$/)).toContain('HTTP/1.1 200 OK')
  })

  describe.each(states)('%s', (_state, serve) => {
    testWithOpenssl('is refused', async () => {
      await using service = await serve()
      await using client = connectTo(service)
      await client.hear(/Extended master secret/)
      client.say('R\n')
      expect(await client.end()).toMatch(/RENEGOTIATING[^]*no renegotiation/)
      expect(service.callers).toEqual([])
    })
  })
})

const outcomeOn = async ({ port }: Service): Promise<unknown> => {
  const client = dial(port, web, { maxVersion: 'TLSv1.2' })
  const outcome = await new Promise((resolve) => {
    client.once('close', () => resolve('cut'))
    client.once('secureConnect', () => {
      client.renegotiate({}, (error) => resolve(error ?? 'renegotiated'))
    })
  })
  client.destroy()
  return outcome
}

describe('a client of Node', () => {
  test.each(states)('is refused %s', async (_state, serve) => {
    await using control = await plain()
    expect(await outcomeOn(control)).toBe('renegotiated')
    await using service = await serve()
    expect(await outcomeOn(service)).toBe('cut')
  })

  test.each(states)('of TLS 1.2 is let in as who it is %s', async (_state, serve) => {
    await using service = await serve()
    expect(await attempt(service.port, web, { maxVersion: 'TLSv1.2' })).toMatchObject({ body: WEB })
    expect(await attempt(service.port, null, { maxVersion: 'TLSv1.2' })).toMatchObject({
      body: null,
    })
  })

  test('is not let in with TLS 1.2 at all unless that is allowed', async () => {
    await using service = await protectedService(await sourceOf(authority))
    expect(await attempt(service.port, web, { maxVersion: 'TLSv1.2' })).toMatchObject({
      answer: '',
    })
  })
})
