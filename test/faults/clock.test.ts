import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { Authority } from '@fastify-spiffe/authority'
import { BundleSet, type SourceState } from '@fastify-spiffe/spiffe'
import { X509Source } from '@fastify-spiffe/workload-api'
import { until } from '../spire/fixture/index.ts'
import { presentedSerialNumber } from '../spire/support/handshake.ts'
import { Http2Caller } from '../spire/support/http2-caller.ts'
import { report } from '../spire/support/report.ts'
import { NodeProcess } from '../support/process.ts'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { FakeClock, findFaketime } from './support/faketime.ts'
import { ORDERS, WEB } from './support/service.ts'

const HOUR_MS = 3_600_000
const SERVICE = fileURLToPath(new URL('support/clock-service.js', import.meta.url))

const library = findFaketime()
if (library === null)
  report('left out: a process whose clock is set, for libfaketime (package faketime) is missing')
const ifFaketime = library === null ? test.skip : test

describe('a service in a process whose clock is set', () => {
  ifFaketime(
    'forward past the expiry presents nothing, and serves again when it is set back',
    async () => {
      await using authority = await Authority.create({ trustDomain: 'a.test' })
      await using agent = await authority.serve({ spiffeId: ORDERS })
      await using clock = await FakeClock.create(library ?? '')
      await using service = new NodeProcess(SERVICE, {
        ...clock.env,
        SPIFFE_ENDPOINT_SOCKET: agent.address,
      })
      const port = Number((await service.says(/port (\d+)\n/))[1])
      await service.says(/ready/)
      const caller = new ScriptedSource(
        await authority.issueX509Svid(WEB),
        BundleSet.of(authority.bundle),
      )
      const endpoint = { source: caller, server: ORDERS, port }
      await using kept = new Http2Caller(endpoint)
      expect((await kept.get('/orders')).status).toBe(200)

      await clock.set(2 * 3600)
      const forward = performance.now()
      await service.says(/expired/)
      report(
        `nothing was presented any more ${Math.round(performance.now() - forward)} ms after the clock was set forward`,
      )
      await expect(presentedSerialNumber(endpoint)).rejects.toMatchObject({
        code: 'connect-failed',
      })
      // By its clock, the caller has expired too.
      await expect(kept.get('/orders')).rejects.toMatchObject({ code: 'connect-failed' })

      await clock.set(0)
      const back = performance.now()
      await service.says(/expired[^]*ready/)
      report(
        `an SVID was presented again ${Math.round(performance.now() - back)} ms after the clock was set back`,
      )
      expect((await kept.get('/orders')).status).toBe(200)
      await caller.close()
    },
  )

  ifFaketime('back, and forward again, costs those who are connected no request', async () => {
    await using authority = await Authority.create({ trustDomain: 'a.test' })
    await using agent = await authority.serve({ spiffeId: ORDERS })
    await using clock = await FakeClock.create(library ?? '')
    await using service = new NodeProcess(SERVICE, {
      ...clock.env,
      SPIFFE_ENDPOINT_SOCKET: agent.address,
    })
    const port = Number((await service.says(/port (\d+)\n/))[1])
    const caller = new ScriptedSource(
      await authority.issueX509Svid(WEB),
      BundleSet.of(authority.bundle),
    )
    const endpoint = { source: caller, server: ORDERS, port }
    await using kept = new Http2Caller(endpoint)
    for (const offsetSeconds of [0, -7_200, 0, -86_400, 0]) {
      await clock.set(offsetSeconds)
      expect((await kept.get('/orders')).status).toBe(200)
    }
    expect(kept.connections).toBe(1)
    expect(await presentedSerialNumber(endpoint)).toEqual(expect.any(String))
  })
})

test('a source whose clock is set hears of it within seconds, although its timers do not', async () => {
  let offsetMs = 0
  await using authority = await Authority.create({ trustDomain: 'a.test' })
  await using agent = await authority.serve({ spiffeId: ORDERS })
  await using source = await X509Source.open({
    address: agent.address,
    clock: () => Date.now() + offsetMs,
  })
  const states: SourceState[] = []
  source.onUpdate(() => states.push(source.state))

  offsetMs = 2 * HOUR_MS
  expect([source.state, source.svid]).toEqual(['expired', null])
  await until('the source says so', () => states.includes('expired'))
  offsetMs = 0
  expect(source.state).not.toBe('expired')
  await until('the source is ready again', () => states.at(-1) === 'ready')
  expect(source.svid).not.toBeNull()
})
