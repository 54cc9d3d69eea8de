import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import {
  type AttributeName,
  type AttributeProvider,
  authz,
  type AuthzOptions,
  where,
} from '../index.ts'
import { reasonsDuring } from '../events.test.helper.ts'

const WEB = 'spiffe://example.org/acme/web'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

/** An application whose condition reads one attribute, and what it read. */
async function reading(name: AttributeName, options: AuthzOptions = {}, answer = () => true) {
  const seen: unknown[] = []
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  await app.register(authz, options)
  const condition = where(
    (attributes) => {
      seen.push(attributes[name])
      return answer()
    },
    { reads: [name] },
  )
  app.get('/', { config: { spiffe: { anyAuthenticated: true, where: condition } } }, () => 'in')
  const ask = async (
    request: { remoteAddress?: string; headers?: Record<string, string> } = {},
  ): Promise<number> => (await injectAs(app, WEB, { url: '/', ...request })).statusCode
  return { app, seen, ask }
}

describe('the address of the client', () => {
  const PROXIES = ['10.0.0.0/8', 'fd00::/8']
  test.each<[string, string[] | undefined, string, string | undefined, string | undefined]>([
    ['is that of the socket', undefined, '192.0.2.7', undefined, '192.0.2.7'],
    ['whatever a header says', undefined, '192.0.2.7', '198.51.100.1', '192.0.2.7'],
    ['whatever a stranger’s header says', PROXIES, '192.0.2.7', '198.51.100.1', '192.0.2.7'],
    ['is what a trusted proxy says', PROXIES, '10.1.2.3', '198.51.100.1', '198.51.100.1'],
    ['is the proxy’s where it says nothing', PROXIES, '10.1.2.3', undefined, '10.1.2.3'],
    [
      'is the last that no trusted proxy has',
      PROXIES,
      '10.1.2.3',
      '203.0.113.9, 198.51.100.1, 10.9.9.9, fd00::1',
      '198.51.100.1',
    ],
    ['is the first where all are trusted', PROXIES, '10.1.2.3', '10.4.4.4, 10.5.5.5', '10.4.4.4'],
    [
      'is none where a proxy says no address',
      PROXIES,
      '10.1.2.3',
      '198.51.100.1, unknown',
      undefined,
    ],
    [
      'is none where there are too many',
      PROXIES,
      '10.1.2.3',
      Array(40).fill('10.1.1.1').join(),
      undefined,
    ],
    ['is the IPv4 one that IPv6 carries', undefined, '::ffff:192.0.2.7', undefined, '192.0.2.7'],
    [
      'of a trusted proxy as well',
      PROXIES,
      '::ffff:10.1.2.3',
      '::FFFF:198.51.100.1',
      '198.51.100.1',
    ],
  ])('%s', async (_, trustedProxies, remoteAddress, forwarded, expected) => {
    const { seen, ask } = await reading('ip', trustedProxies && { trustedProxies })
    const headers = forwarded === undefined ? {} : { 'x-forwarded-for': forwarded }
    expect(await ask({ remoteAddress, headers })).toBe(200)
    expect(seen).toEqual([expected])
  })

  test('has a class, the first that it is of', async () => {
    const networks = {
      lab: ['192.0.2.128/25', '2001:db8:1::/48'],
      office: ['192.0.2.0/24', '2001:db8::/32'],
      host: ['198.51.100.1'],
    }
    const { seen, ask } = await reading('network', { networks })
    const addresses = [
      '192.0.2.129',
      '192.0.2.1',
      '198.51.100.1',
      '198.51.100.2',
      '2001:db8:1::5',
      '2001:db8:2::5',
      '::ffff:192.0.2.1',
    ]
    for (const remoteAddress of addresses) await ask({ remoteAddress })
    // The last is of the class of the second, whose decision is remembered.
    expect(seen).toEqual(['lab', 'office', 'host', 'other'])
  })

  test('counts in the key by its class alone', async () => {
    const { seen, ask } = await reading('network', { networks: { office: ['192.0.2.0/24'] } })
    for (let host = 1; host < 100; host++) await ask({ remoteAddress: `192.0.2.${host}` })
    expect(seen).toEqual(['office'])
  })

  test.each<[string, AuthzOptions]>([
    ['a proxy that is no address', { trustedProxies: ['localhost'] }],
    ['a network that is too narrow', { trustedProxies: ['10.0.0.0/33'] }],
    ['a class that is no list', { networks: { office: '10.0.0.0/8' as never } }],
  ])('an option with %s does not boot', async (_, options) => {
    await expect(reading('ip', options)).rejects.toMatchObject({ code: 'invalid-option' })
  })

  test('without classes its class cannot be read', async () => {
    await expect(reading('network')).rejects.toMatchObject({ code: 'invalid-rule' })
  })
})

describe('the time', () => {
  test('is read in UTC, and decisions of one hour are not used in the next', async () => {
    const time = { now: Date.UTC(2026, 10, 26, 13, 59, 59) }
    const { seen, ask } = await reading('time.hour', { clock: () => time.now })
    await ask()
    await ask()
    time.now += 1000
    await ask()
    expect(seen).toEqual(['13', '14'])
  })

  test('has a day of the week', async () => {
    const { seen, ask } = await reading('time.weekday', { clock: () => Date.UTC(2026, 10, 26) })
    await ask()
    expect(seen).toEqual(['Thu'])
  })
})

test('the end of the SVID can be read', async () => {
  const { app, seen, ask } = await reading('notAfter')
  let notAfter = 0
  app.addHook('onSend', async (request) => {
    notAfter = request.peer?.notAfter ?? 0
  })
  await ask()
  expect(seen).toEqual([String(notAfter)])
})

const provider = (provide: AttributeProvider['provide']): AuthzOptions => ({
  attributes: [{ group: 'device', provide }],
  tenant: '/{tenant}/{workload}',
  timeoutMs: 20,
})

describe('attributes of a provider', () => {
  test('are asked for once for a request, and only for those whose rule reads one', async () => {
    const asked: unknown[] = []
    const options = provider(async ({ url }, { spiffeId, tenant }) => {
      asked.push([url, spiffeId.toString(), tenant?.name])
      return { get: (name) => `${name}!` }
    })
    const { app, seen, ask } = await reading('device.trust', options)
    const twice = [1, 2].map((round) =>
      where((it) => it['device.x'] === 'x!' && round > 0, {
        reads: ['device.x'],
        maxAgeMs: 0,
      }),
    )
    app.get('/twice', { config: { spiffe: { anyAuthenticated: true, where: twice } } }, () => 'in')
    app.get('/none', { config: { spiffe: { anyAuthenticated: true } } }, () => 'in')
    expect(await ask()).toBe(200)
    expect(seen).toEqual(['trust!'])
    for (const url of ['/twice', '/none']) {
      expect((await injectAs(app, WEB, url)).statusCode).toBe(200)
    }
    expect(asked).toEqual([
      ['/', WEB, 'acme'],
      ['/twice', WEB, 'acme'],
    ])
  })

  test.each<[string, AttributeProvider['provide'], number, string]>([
    ['refuses', () => ({ refused: true }), 401, 'attribute-refused'],
    [
      'throws',
      () => {
        throw new Error('no')
      },
      403,
      'attribute-failed',
    ],
    ['rejects', () => Promise.reject(new Error('no')), 403, 'attribute-failed'],
    ['misses its deadline', () => new Promise(() => undefined), 403, 'attribute-timeout'],
  ])('refuse the request when the provider %s', async (_, provide, status, reason) => {
    const { seen, ask } = await reading('device.trust', provider(provide))
    const reasons = await reasonsDuring(async () => expect(await ask()).toBe(status))
    expect(reasons).toEqual([reason])
    expect(seen).toEqual([])
  })

  test('are part of the key', async () => {
    let trust = 'high'
    const { seen, ask } = await reading(
      'device.trust',
      provider(() => ({ get: () => trust })),
    )
    for (const next of ['high', 'low', 'high']) {
      trust = next
      await ask()
    }
    expect(seen).toEqual(['high', 'low'])
  })

  test('bound the life of a decision by their own', async () => {
    const time = { now: Date.now() }
    const notAfter = time.now + 5000
    const { seen, ask } = await reading('device.trust', {
      ...provider(() => ({ get: () => 'high', notAfter })),
      clock: () => time.now,
    })
    await ask()
    time.now = notAfter - 1
    await ask()
    expect(seen.length).toBe(1)
    time.now = notAfter
    await ask()
    expect(seen.length).toBe(2)
  })

  test.each<[string, unknown]>([
    ['without a group', [{ provide: () => undefined }]],
    ['with a group that requests have', [{ group: 'headers', provide: () => undefined }]],
    ['twice the same', [1, 2].map(() => ({ group: 'device', provide: () => undefined }))],
  ])('%s do not boot', async (_, attributes) => {
    await expect(reading('ip', { attributes } as never)).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })

  test('of a group that nobody provides cannot be read', async () => {
    await expect(reading('jwt.sub')).rejects.toMatchObject({ code: 'invalid-rule' })
  })

  test('end with the application', async () => {
    let closed = 0
    const attributes: AttributeProvider[] = [
      { group: 'device', provide: () => ({ get: () => '' }), close: () => void closed++ },
    ]
    const { app } = await reading('device.x', { attributes })
    await app.close()
    expect(closed).toBe(1)
  })
})
