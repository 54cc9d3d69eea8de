import { constants, randomBytes } from 'node:crypto'
import { setTimeout as delay } from 'node:timers/promises'
import type { MintedCa, MintedCertificate } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { spiffeServer } from '@fastify-spiffe/svid'
import Fastify from 'fastify'
import { bundlesOf } from '../support/verdict.ts'
import { attempt, type Attempt } from './support/attacker.ts'
import { mintNamesake, ORDERS, rejections, sourceOf, WEB } from './support/scene.ts'
import { mutualTls, plainService, protectedService, type Service } from './support/services.ts'

const RESUMABLE = { sessionTicketLifetimeMs: 3_600_000 }

let authority: MintedCa
let removed: MintedCa
let own: MintedCertificate
let web: MintedCertificate

beforeAll(async () => {
  authority = await mintNamesake('example.org')
  removed = await mintNamesake('example.org')
  own = await authority.mint(ORDERS)
  web = await removed.mint(WEB)
})

/** Strict mutual TLS as Node does it. */
const strict = () => mutualTls(own, authority, removed)

/** Connects with the newest session of an earlier attempt. */
const resume = (
  { port }: Service,
  client: MintedCertificate | null,
  { sessions: [session] }: Attempt,
): Promise<Attempt> => {
  if (session === undefined) throw new Error('no session was issued')
  return attempt(port, client, { session })
}

test('a client whose SVID has expired does not come back with its session', async () => {
  using rejected = rejections()
  await using plain = await plainService(strict())
  await using closed = await protectedService(await sourceOf(authority))
  await using open = await protectedService(await sourceOf(authority), RESUMABLE)
  // OpenSSL has no clock but the real one. A busy machine may need more of it.
  const begin = async (lifeMs: number) => {
    // At a whole second, as certificates say it.
    const notAfter = Math.ceil((Date.now() + lifeMs) / 1000) * 1000
    const visitor = await authority.mint(WEB, { notAfter })
    const visits = {
      plain: await attempt(plain.port, visitor),
      closed: await attempt(closed.port, visitor),
      open: await attempt(open.port, visitor),
    }
    if (Date.now() >= notAfter) return undefined
    const revisit = await resume(open, visitor, visits.open)
    return Date.now() < notAfter ? { notAfter, visitor, visits, revisit } : undefined
  }
  const begun = (await begin(300)) ?? (await begin(4000)) ?? (await begin(20_000))
  if (begun === undefined) throw new Error('this machine is too slow for four connections')
  const { notAfter, visitor: client, visits: firsts, revisit: again } = begun
  expect(firsts).toMatchObject({ plain: { body: WEB }, closed: { body: WEB }, open: { body: WEB } })
  // A resumed session brings no younger one: its lifetime is that of the handshake.
  expect(again).toMatchObject({ body: WEB, isResumed: true, sessions: [] })
  await delay(notAfter - Date.now() + 100)

  expect(await resume(plain, client, firsts.plain)).toMatchObject({ body: WEB, isResumed: true })
  expect(await resume(closed, client, firsts.closed)).toMatchObject({
    body: null,
    isResumed: false,
  })
  expect(await resume(open, client, firsts.open)).toMatchObject({ body: null, isResumed: true })
  expect(rejected.codes.slice(-2)).toEqual(['expired', 'expired'])
}, 60_000)

describe('a client whose authority was removed does not come back with its session', () => {
  test('where ticket keys outlive the removal, it does', async () => {
    const options = { ...strict(), ticketKeys: randomBytes(48) }
    await using plain = await plainService(options)
    const first = await attempt(plain.port, web)
    plain.server.setSecureContext({ ...options, ca: [authority.certificatePem] })
    expect(await attempt(plain.port, web)).toMatchObject({ body: null })
    expect(await resume(plain, web, first)).toMatchObject({ body: WEB, isResumed: true })
  })

  test.each([
    ['without resumption', {}],
    ['with resumption', RESUMABLE],
  ])('%s, not even with ticket keys that an application has set', async (_name, options) => {
    using rejected = rejections()
    const source = await sourceOf(authority, removed)
    await using service = await protectedService(source, options)
    const ticketKeys = randomBytes(48)
    service.server.setTicketKeys(ticketKeys)
    const first = await attempt(service.port, web)
    source.set(source.svid, bundlesOf(authority))
    await Promise.resolve()
    service.server.setTicketKeys(ticketKeys)
    expect(await resume(service, web, first)).toMatchObject({ body: null, isResumed: false })
    expect(rejected.codes).toEqual(['bad-signature'])
    expect(service.callers).toEqual([WEB])
  })

  test('nor one whose session a store of the application remembers', async () => {
    using rejected = rejections()
    const store = new Map<string, Buffer>()
    const remember = ({ server }: Service): void => {
      server.on('newSession', (id: Buffer, session: Buffer, done: () => void) => {
        store.set(id.toString('hex'), session)
        done()
      })
      server.on('resumeSession', (id: Buffer, done: (error: null, session?: Buffer) => void) => {
        done(null, store.get(id.toString('hex')))
      })
    }
    const old = { maxVersion: 'TLSv1.2' } as const
    const come = async (service: Service, session?: Buffer): Promise<Attempt> =>
      attempt(service.port, web, { ...old, ...(session && { session }) })

    // Without tickets a client asks by the ID of its session.
    const options = { ...strict(), secureOptions: constants.SSL_OP_NO_TICKET }
    await using plain = await plainService(options)
    remember(plain)
    const tricked = await come(plain)
    plain.server.setSecureContext({ ...options, ca: [authority.certificatePem] })
    expect(await come(plain, tricked.sessions[0])).toMatchObject({ body: WEB, isResumed: true })

    const source = await sourceOf(authority, removed)
    await using service = await protectedService(source, { minVersion: 'TLSv1.2' })
    remember(service)
    store.clear()
    const first = await come(service)
    expect(first.body).toBe(WEB)
    expect(store.size).toBe(1)
    source.set(source.svid, bundlesOf(authority))
    expect(await come(service, first.sessions[0])).toMatchObject({ body: null, isResumed: true })
    expect(service.callers).toEqual([WEB])
    expect(rejected.codes).toEqual(['session-resumed'])
  })
})

describe('a session without a certificate makes nobody somebody', () => {
  test('on Node alone it is resumed, and some releases call it authorized', async () => {
    await using plain = await plainService({ ...strict(), rejectUnauthorized: false })
    const first = await attempt(plain.port, null)
    expect(first.body).toBe('nobody')
    const second = await resume(plain, null, first)
    expect(second.isResumed).toBe(true)
    // Node 20, 22, and up to 24.20: 'somebody'.
    expect(['nobody', 'somebody']).toContain(second.body)
    if (process.version.startsWith('v20.')) expect(second.body).toBe('somebody')
  })

  test('who came without one is nobody again', async () => {
    const options = { clientCertificate: 'optional' } as const
    await using service = await protectedService(await sourceOf(authority), options)
    const first = await attempt(service.port, null)
    expect(first.body).toBe('null')
    expect(await resume(service, null, first)).toMatchObject({ body: 'null', isResumed: false })
  })

  test('and nobody resumes where clients may come without one', async () => {
    const options = { ...RESUMABLE, clientCertificate: 'optional' } as const
    const source = await sourceOf(authority)
    expect(() => Fastify(spiffeServer(source, options))).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  })

  test('a session of a server without mutual TLS is worth nothing', async () => {
    using rejected = rejections()
    const ticketKeys = randomBytes(48)
    const { cert, key } = strict()
    await using front = await plainService({ cert, key, ticketKeys })
    const session = await attempt(front.port, null)
    // The control: the same keys on a server with mutual TLS, and the session is resumed there.
    await using plain = await plainService({ ...strict(), rejectUnauthorized: false, ticketKeys })
    expect(await resume(plain, null, session)).toMatchObject({ isResumed: true })

    for (const options of [{}, RESUMABLE]) {
      await using service = await protectedService(await sourceOf(authority), options)
      service.server.setTicketKeys(ticketKeys)
      expect(await resume(service, null, session)).toMatchObject({ body: null, isResumed: false })
      expect(service.callers).toEqual([])
    }
    expect(rejected.codes).toEqual(['no-certificate', 'no-certificate'])
  })

  test('nor is one that is forged with all secrets of the context', async () => {
    using rejected = rejections()
    await using service = await protectedService(await sourceOf(authority), RESUMABLE)
    const { cert, key } = strict()
    await using forge = await plainService({
      cert,
      key,
      ticketKeys: service.server.getTicketKeys(),
      sessionIdContext: String(Reflect.get(service.server, 'sessionIdContext')),
    })
    const session = await attempt(forge.port, null)
    expect(await resume(service, null, session)).toMatchObject({ body: null, isResumed: true })
    expect(rejected.codes).toEqual(['no-certificate'])
    expect(service.callers).toEqual([])
  })
})

test('who is cut is cut again with the session of that handshake', async () => {
  using rejected = rejections()
  await using service = await protectedService(await sourceOf(authority), RESUMABLE)
  // Another server issues it: a peer that is cut may not get what was issued to it.
  await using forge = await plainService({
    ...mutualTls(own, removed),
    ticketKeys: service.server.getTicketKeys(),
    sessionIdContext: String(Reflect.get(service.server, 'sessionIdContext')),
  })
  const session = await attempt(forge.port, web)
  expect(session.body).toBe(WEB)
  expect(await resume(service, web, session)).toMatchObject({ body: null, isResumed: true })
  expect(rejected.codes).toEqual(['bad-signature'])
  expect(service.callers).toEqual([])
})

test('whoever resumes a session is who began it, whatever certificate it holds by now', async () => {
  await using service = await protectedService(await sourceOf(authority), RESUMABLE)
  const first = await attempt(service.port, await authority.mint(WEB))
  const admin = await authority.mint('spiffe://example.org/acme/admin')
  expect(await resume(service, admin, first)).toMatchObject({ body: WEB, isResumed: true })
})
