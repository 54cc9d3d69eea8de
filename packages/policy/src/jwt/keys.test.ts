import { generateKeyPairSync } from 'node:crypto'
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { setImmediate } from 'node:timers/promises'
import { afterAll, afterEach, describe, expect, test } from '@jest/globals'
import { PolicyError } from '../errors.ts'
import { keysOf } from './keys.ts'

const MINUTE = 60_000

const { publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const jwk = { ...publicKey.export({ format: 'jwk' }), kid: 'own', alg: 'ES256', use: 'sig' }
const KEYS = JSON.stringify({ keys: [jwk] })

/** An issuer that answers with `issuer.answer`. */
const issuer = { answer: { status: 200, body: KEYS }, asked: 0, hangs: false }
const server: Server = createServer((_request, response) => {
  issuer.asked++
  if (issuer.hangs) return
  response.writeHead(issuer.answer.status, { 'content-type': 'application/json' })
  response.end(issuer.answer.body)
})
server.listen(0, '127.0.0.1')
await once(server, 'listening')
const jwks = { url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys` }
afterAll(() => {
  server.closeAllConnections()
  server.close()
})

afterEach(() => {
  issuer.answer = { status: 200, body: KEYS }
  issuer.asked = 0
  issuer.hangs = false
})

const find = async (keys: ReturnType<typeof keysOf>, kid = 'own'): Promise<unknown> =>
  keys({ alg: 'ES256', kid }, { payload: '', signature: '' })

describe('the keys of an issuer', () => {
  test('are asked for once, however many tokens come while it fails', async () => {
    issuer.answer = { status: 503, body: '' }
    const keys = keysOf(jwks, 30_000, Date.now)
    const tries = await Promise.allSettled(Array.from({ length: 50 }, () => find(keys)))
    for (let more = 0; more < 20; more++) tries.push(...(await Promise.allSettled([find(keys)])))
    expect(issuer.asked).toBe(1)
    for (const attempt of tries) {
      const reason: unknown = attempt.status === 'rejected' ? attempt.reason : null
      expect(reason).toBeInstanceOf(PolicyError)
      expect(reason).toMatchObject({ code: 'keys-unavailable' })
    }
  })

  test('are asked for again after a moment, and then go on', async () => {
    issuer.answer = { status: 503, body: '' }
    const keys = keysOf(jwks, 1, Date.now)
    await expect(find(keys)).rejects.toMatchObject({ code: 'keys-unavailable' })
    issuer.answer = { status: 200, body: KEYS }
    let found: unknown = null
    while (found === null) found = await find(keys).catch(() => null)
    expect(found).toBeTruthy()
  })

  test('go on for an hour while nobody can look at them again, and no longer', async () => {
    let now = Date.now()
    const keys = keysOf(jwks, 1, () => now)
    expect(await find(keys)).toBeTruthy()
    issuer.answer = { status: 500, body: '' }
    now += 30 * MINUTE
    while (issuer.asked < 2) expect(await find(keys)).toBeTruthy()
    now += 31 * MINUTE
    await expect(find(keys)).rejects.toMatchObject({ code: 'keys-unavailable' })
  })

  test('are waited for by nobody once the issuer is known to fail, not even while it hangs', async () => {
    let now = Date.now()
    const keys = keysOf(jwks, 1, () => now)
    expect(await find(keys)).toBeTruthy()
    issuer.answer = { status: 500, body: '' }
    now += 11 * MINUTE
    while (issuer.asked < 2) expect(await find(keys)).toBeTruthy()
    issuer.hangs = true
    while (issuer.asked < 3) {
      expect(await find(keys)).toBeTruthy()
      await setImmediate()
    }
    expect(await find(keys)).toBeTruthy()
  }, 4000)

  test('are renewed before they are too old to be used, and nobody waits for it', async () => {
    let now = Date.now()
    const keys = keysOf(jwks, 1, () => now)
    expect(await find(keys)).toBeTruthy()
    issuer.hangs = true
    now += 9.5 * MINUTE
    while (issuer.asked < 2) {
      expect(await find(keys)).toBeTruthy()
      await setImmediate()
    }
    expect(await find(keys)).toBeTruthy()
  }, 4000)

  test('are asked for once within the cooldown, however many tokens name unknown ones', async () => {
    const keys = keysOf(jwks, 30_000, Date.now)
    expect(await find(keys)).toBeTruthy()
    const flood = Array.from({ length: 100 }, (_, at) => find(keys, `unknown-${at}`))
    expect(await find(keys)).toBeTruthy()
    for (const attempt of await Promise.allSettled(flood)) expect(attempt.status).toBe('rejected')
    expect(issuer.asked).toBe(1)
  })

  test.each([
    ['with a member twice', '{"keys":[],"keys":[]}'],
    ['with a member of a key twice', KEYS.replace('"kid":"own"', '"kid":"x","kid":"own"')],
    ['that are no JSON', '<html>TopSecret</html>'],
    ['that are none', '{}'],
    ['too long', `{"keys":[${' '.repeat(1024 * 1024)}]}`],
  ])('%s are not taken', async (_, body) => {
    issuer.answer = { status: 200, body }
    const failure: unknown = await find(keysOf(jwks, 30_000, Date.now)).catch((it: unknown) => it)
    expect(failure).toMatchObject({ code: 'keys-unavailable' })
    expect(String(failure)).not.toContain('TopSecret')
  })
})
