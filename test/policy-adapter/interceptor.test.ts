import { afterEach, describe, expect, test } from '@jest/globals'
import { type PolicyOptions, type RouteRule, where } from '@fastify-spiffe/policy'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { type Interceptor, interceptor, type ToyCall } from './interceptor.ts'

const GET = '/orders.Orders/Get'
const WEB = 'spiffe://example.org/acme/web'
const API = 'spiffe://example.org/acme/api'

const interceptors: Interceptor[] = []
afterEach(async () => {
  for (const each of interceptors.splice(0)) await each.close()
})

function callOf(
  spiffeId: string | null,
  metadata: Readonly<Record<string, readonly string[]>> = {},
  path: string | null = GET,
): ToyCall {
  const caller = spiffeId === null ? null : callerOf(spiffeId)
  return { id: '1', path, metadata: new Map(Object.entries(metadata)), caller }
}

function callerOf(spiffeId: string, notAfter = Date.now() + 3_600_000): ToyCall['caller'] {
  return { spiffeId: SpiffeId.parse(spiffeId), serialNumber: '1', fingerprint256: 'AA', notAfter }
}

/** An interceptor before one method, and what becomes of a call of it. */
async function before(rule: RouteRule | undefined, options: PolicyOptions<ToyCall> = {}) {
  const opened = await interceptor({ [GET]: rule }, options)
  interceptors.push(opened)
  const pass = (call: ToyCall): Promise<string> => opened.intercept(call, () => 'in')
  return { ...opened, pass }
}

describe('calls of another transport', () => {
  test('reach the method when their caller is allowed, and get a status of the transport otherwise', async () => {
    const { pass } = await before({ allow: [WEB] })
    expect(await pass(callOf(WEB))).toBe('in')
    expect(await pass(callOf(API))).toBe('PERMISSION_DENIED')
    expect(await pass(callOf(null))).toBe('UNAUTHENTICATED')
    expect(await pass(callOf(WEB, {}, '/orders.Orders/Unknown'))).toBe('PERMISSION_DENIED')
    expect(await pass(callOf(WEB, {}, null))).toBe('NOT_FOUND')
  })

  test('have their rule in the policy document as well, until that is replaced', async () => {
    const policy = { prefixes: { '/orders.Orders': { allow: [WEB] } } }
    const { pass, controls } = await before(undefined, { policy })
    expect(await pass(callOf(WEB))).toBe('in')
    await controls.reload({ routes: { [`CALL ${GET}`]: { allow: [API] } } })
    expect(await pass(callOf(WEB))).toBe('PERMISSION_DENIED')
    expect(await pass(callOf(API))).toBe('in')
  })

  test('are refused when a metadatum that their rule reads has several values', async () => {
    const check = where((it) => it['headers.region'] === 'eu', { reads: ['headers.region'] })
    const { pass } = await before({ allow: [WEB], where: check })
    expect(await pass(callOf(WEB, { region: ['eu'] }))).toBe('in')
    expect(await pass(callOf(WEB, { region: ['us'] }))).toBe('PERMISSION_DENIED')
    expect(await pass(callOf(WEB, { region: ['eu', 'us'] }))).toBe('PERMISSION_DENIED')
    expect(await pass(callOf(WEB))).toBe('PERMISSION_DENIED')
  })

  test('are decided by an engine, which is asked once for the same question', async () => {
    const asked: string[] = []
    const { pass, controls } = await before(
      { anyAuthenticated: true, engines: ['judge'] },
      {
        engines: [
          {
            name: 'judge',
            cost: 'io',
            decide: async ({ spiffeId, route }) => {
              asked.push(`${spiffeId.toString()} ${route}`)
              if (spiffeId.path === '/acme/broken') throw new Error('no')
              return spiffeId.toString() === WEB
            },
          },
        ],
      },
    )
    expect(await pass(callOf(WEB))).toBe('in')
    expect(await pass(callOf(WEB))).toBe('in')
    expect(await pass(callOf(API))).toBe('PERMISSION_DENIED')
    expect(await pass(callOf('spiffe://example.org/acme/broken'))).toBe('PERMISSION_DENIED')
    expect(asked.filter((question) => question === `${WEB} ${GET}`)).toHaveLength(1)
    expect(controls.stats()).toMatchObject({ hits: 1 })
  })

  test('reach no data of another tenant', async () => {
    const { pass } = await before(
      { anyAuthenticated: true, tenant: 'headers.tenant' },
      { tenant: '/{tenant}/{workload}', tenants: { trustDomain: 'example.org' } },
    )
    expect(await pass(callOf(WEB, { tenant: ['acme'] }))).toBe('in')
    expect(await pass(callOf(WEB, { tenant: ['globex'] }))).toBe('PERMISSION_DENIED')
    expect(await pass(callOf(WEB, { tenant: ['acme', 'acme'] }))).toBe('PERMISSION_DENIED')
  })

  test('bring attributes by a provider, which is handed the call itself', async () => {
    const { pass } = await before(
      { anyAuthenticated: true, where: { attribute: 'device.trust', equals: 'trusted' } },
      {
        attributes: [
          {
            group: 'device',
            provide: ({ id }, { attribute }) =>
              attribute('headers', 'device') === null
                ? { refused: true, code: 'repeated' }
                : { get: () => (id === '1' ? 'trusted' : undefined) },
          },
        ],
      },
    )
    expect(await pass(callOf(WEB))).toBe('in')
    expect(await pass({ ...callOf(WEB), id: '2' })).toBe('PERMISSION_DENIED')
    expect(await pass(callOf(WEB, { device: ['a', 'b'] }))).toBe('UNAUTHENTICATED')
  })

  test('are refused when the SVID of their caller ends while a check is awaited', async () => {
    const time = { now: Date.now() }
    const check = where(
      async () => {
        time.now += 10_000
        return true
      },
      { reads: [] },
    )
    const { pass } = await before(
      { anyAuthenticated: true, where: check },
      { clock: () => time.now },
    )
    expect(await pass({ ...callOf(null), caller: callerOf(WEB, time.now + 5000) })).toBe(
      'UNAUTHENTICATED',
    )
  })

  test('are explained, those that have arrived and those that are thought up', async () => {
    const { controls } = await before({
      allow: [WEB],
      where: { attribute: 'headers.region', equals: 'eu' },
    })
    const holds = { check: 'where[0]', what: 'headers.region', outcome: 'holds' }
    expect(await controls.explainCall(callOf(WEB, { region: ['eu'] }))).toMatchObject({
      decision: 'allow',
      findings: [{ check: 'allow[0]', outcome: 'matches' }, holds],
    })
    const about = { method: 'CALL', route: GET, spiffeId: WEB }
    const attributes = { 'headers.region': 'eu' }
    expect(await controls.explain({ ...about, attributes })).toMatchObject({ decision: 'allow' })
    expect(await controls.explain(about)).toMatchObject({
      decision: 'deny',
      reason: 'condition-false',
    })
  })
})
