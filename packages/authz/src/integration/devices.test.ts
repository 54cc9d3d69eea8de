import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { authz, where } from '../index.ts'
import {
  DeviceList,
  type DeviceListOptions,
  deviceTrust,
  type DeviceTrustOptions,
  signDeviceId,
} from '@fastify-spiffe/policy/devices'

const WEB = 'spiffe://example.org/acme/web'
const SECRET = 'the enrolment service alone knows'

const apps: FastifyInstance[] = []
afterEach(async () => {
  await Promise.all(apps.splice(0).map((app) => app.close()))
})

/** A service for trusted devices. */
async function service(options: Partial<DeviceTrustOptions>) {
  const app = Fastify()
  apps.push(app)
  await app.register(peer)
  const provider = deviceTrust({
    secret: SECRET,
    trusted: () => new DeviceList(['d-7']),
    ...options,
  })
  await app.register(authz, { tenant: '/{tenant}/{workload}', attributes: [provider] })
  const seen: unknown[] = []
  const isTrusted = where(
    (it) => {
      seen.push(it['device.trust'])
      return it['device.trust'] === 'trusted'
    },
    { reads: ['device.trust'] },
  )
  app.get('/', { config: { spiffe: { anyAuthenticated: true, where: isTrusted } } }, () => 'in')
  const ask = async (device?: string, caller = WEB): Promise<number> => {
    const headers = device === undefined ? {} : { 'x-device-id': device }
    return (await injectAs(app, caller, { url: '/', headers })).statusCode
  }
  return { ask, seen }
}

const sealed = (id: string): string => signDeviceId(id, SECRET)

describe('a device', () => {
  test('is trusted when it is listed and its ID was sealed', async () => {
    const { ask, seen } = await service({})
    expect(await ask(sealed('d-7'))).toBe(200)
    expect(await ask(sealed('d-8'))).toBe(403)
    expect(await ask()).toBe(403)
    expect(seen).toEqual(['trusted', 'unknown'])
  })

  test('that was trusted once does not make another one trusted', async () => {
    const { ask } = await service({})
    for (const [device, status] of [
      ['d-7', 200],
      ['d-8', 403],
      ['d-7', 200],
      ['d-8', 403],
    ] as const) {
      expect(await ask(sealed(device))).toBe(status)
    }
  })

  test.each([
    ['without a seal', 'd-7'],
    ['with the seal of another', `d-7.${sealed('d-8').split('.')[1]}`],
    ['sealed by another secret', signDeviceId('d-7', 'somebody else knows this')],
    ['with an empty ID', sealed('')],
    ['of too many characters', sealed('x'.repeat(600))],
    ['that is empty', ''],
  ])('%s refuses the request', async (_, device) => {
    const { ask } = await service({})
    expect(await ask(device)).toBe(401)
  })

  test('that is blocked is not trusted, listed or not', async () => {
    const { ask, seen } = await service({ blocked: () => new DeviceList(['d-7']) })
    expect(await ask(sealed('d-7'))).toBe(403)
    expect(seen).toEqual(['blocked'])
  })

  test('is known to its own tenant alone', async () => {
    const { ask } = await service({
      trusted: (tenant) => (tenant?.name === 'acme' ? new DeviceList(['d-7']) : null),
    })
    expect(await ask(sealed('d-7'))).toBe(200)
    expect(await ask(sealed('d-7'), 'spiffe://example.org/globex/web')).toBe(403)
  })

  test.each<[string, object, string?]>([
    ['a short secret', { secret: 'short' }],
    ['no list', { trusted: ['d-7'] }],
    ['a header in upper case', { header: 'X-Device-ID' }],
    ['an unknown key', { list: [] }, 'unknown-option'],
  ])('with %s in its options does not boot', async (_, options, code = 'invalid-option') => {
    await expect(service(options)).rejects.toMatchObject({ code })
  })
})

test('a device that may be blocked is: only a clear no lets it be trusted', async () => {
  // Redis answers by numbers, and what is written in JavaScript hands them on.
  const sIsMember = { confirm: async () => 1 } as unknown as DeviceListOptions
  const blocked = new DeviceList(['d-7'], { maxExact: 0, ...sIsMember })
  const { ask, seen } = await service({ blocked: () => blocked })
  expect(await ask(sealed('d-7'))).toBe(403)
  expect(seen).toEqual(['blocked'])
})

test.each<[string, object, string?]>([
  ['an unknown option', { maxExcat: 5 }, 'unknown-option'],
  ['a share of 0', { falsePositiveRate: 0 }],
  ['a share of 1', { falsePositiveRate: 1 }],
  ['a count that is none', { maxExact: Number.NaN }],
  ['a confirmation that is no function', { confirm: true }],
])('a list with %s is refused', (_, options, code = 'invalid-option') => {
  expect(() => new DeviceList(['d-7'], options)).toThrow(expect.objectContaining({ code }))
})

describe('a long list', () => {
  const devices = Array.from({ length: 1000 }, (_, at) => `device-${at}`)

  test('says no by itself, and yes only when that is confirmed', async () => {
    const asked: string[] = []
    let answer = true
    const confirm = async (id: string): Promise<boolean> => {
      asked.push(id)
      return answer
    }
    const list = new DeviceList(devices, { maxExact: 100, confirm })
    expect(await list.has('device-1')).toBe(true)
    answer = false
    expect(await list.has('device-1')).toBe(false)
    const strangers = Array.from({ length: 1000 }, (_, at) => `stranger-${at}`)
    const taken = strangers.filter((stranger) => list.has(stranger) !== false)
    expect(taken.length).toBeLessThan(20)
    expect(asked.slice(0, 2)).toEqual(['device-1', 'device-1'])
  })

  test('refuses the request while it cannot be confirmed', async () => {
    const list = new DeviceList(devices, {
      maxExact: 0,
      confirm: () => Promise.reject(new Error('gone')),
    })
    const { ask, seen } = await service({ trusted: () => list })
    expect(await ask(sealed('device-1'))).toBe(403)
    expect(seen).toEqual([])
  })

  test('that nobody confirms is refused, and the former one stays', () => {
    const list = new DeviceList(['d-7'], { maxExact: 10 })
    expect(() => list.replace(devices)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
    expect(list.has('d-7')).toBe(true)
  })

  test('can be replaced by a short one', () => {
    const list = new DeviceList(devices, { maxExact: 10, confirm: async () => true })
    list.replace(['d-7'])
    expect([list.has('d-7'), list.has('device-1')]).toEqual([true, false])
  })
})
