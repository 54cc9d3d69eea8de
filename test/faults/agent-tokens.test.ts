import { Authority } from '@fastify-spiffe/authority'
import { HeldTimers } from '@fastify-spiffe-test/kit/held-timers'
import { ScriptedAgent, type AgentCall } from '@fastify-spiffe-test/kit/scripted-agent'
import { JwtSource } from '@fastify-spiffe/workload-api'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'

const WEB = 'spiffe://example.org/web'
const CALL_TIMEOUT_MS = 30_000

let authority: Authority
let agent: ScriptedAgent
let timers: HeldTimers
let now: number
let source: JwtSource

beforeEach(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  agent = await ScriptedAgent.listen()
  timers = new HeldTimers()
  now = Date.now()
  const opening = JwtSource.open({
    address: agent.address,
    clock: () => now,
    random: () => 0,
    setTimer: timers.setTimer,
  })
  const bundles = await agent.nextCall('FetchJWTBundles')
  bundles.send(bundlesOf(authority))
  source = await opening
})

afterEach(async () => {
  await source.close()
  await agent[Symbol.asyncDispose]()
  await authority.close()
})

function bundlesOf({ trustDomain, jwt }: Authority): object {
  return { bundles: { [trustDomain.id.toString()]: Buffer.from(jwt.bundle.toJwks()) } }
}

/** One token, given to a call that waits for it. */
function give(call: AgentCall, audience: string): void {
  call.send({ svids: [{ spiffeId: WEB, svid: authority.jwt.mint(WEB, { audience }), hint: '' }] })
}

async function fetched(audience: string): Promise<string> {
  const pending = source.fetchJwtSvid({ audience })
  give(await agent.nextCall('FetchJWTSVID'), audience)
  return (await pending).token
}

describe('an agent that does not answer FetchJWTSVID', () => {
  test('costs a caller 30 s and not more, whoever else waits', async () => {
    const waiting = [1, 2, 3].map(() => source.fetchJwtSvid({ audience: 'orders' }))
    const call = await agent.nextCall('FetchJWTSVID')
    // One for the call, and one for each caller.
    expect(timers.delays.filter((delay) => delay === CALL_TIMEOUT_MS)).toHaveLength(4)
    const settled = Promise.allSettled(waiting)
    timers.fire(CALL_TIMEOUT_MS)
    for (const each of await settled) {
      expect(each).toMatchObject({ status: 'rejected', reason: { code: 'timeout' } })
    }
    await call.cancelled
    expect(timers.delays.filter((delay) => delay === CALL_TIMEOUT_MS)).toEqual([])
  })

  test('costs no token that is kept, and nobody after it has come back', async () => {
    const kept = await fetched('ledger')
    const hanging = source.fetchJwtSvid({ audience: 'orders' })
    const call = await agent.nextCall('FetchJWTSVID')
    expect((await source.fetchJwtSvid({ audience: 'ledger' })).token).toBe(kept)
    const ended = expect(hanging).rejects.toMatchObject({ code: 'timeout' })
    timers.fire(CALL_TIMEOUT_MS)
    await ended
    await call.cancelled
    // Right after a failure there is no other call.
    await expect(source.fetchJwtSvid({ audience: 'orders' })).rejects.toMatchObject({
      code: 'timeout',
    })
    expect((await source.fetchJwtSvid({ audience: 'ledger' })).token).toBe(kept)
    now += CALL_TIMEOUT_MS
    // On another connection: the one before may be dead without a sign.
    expect(await fetched('orders')).toMatch(/^[\w-]+\.[\w-]+\.[\w-]+$/)
  })

  test('costs a caller that waits for less only that, and the others get what comes', async () => {
    const [hasty, patient] = [
      source.fetchJwtSvid({ audience: 'orders', timeoutMs: 50_000 }),
      source.fetchJwtSvid({ audience: 'orders' }),
    ]
    const call = await agent.nextCall('FetchJWTSVID')
    const ended = expect(hasty).rejects.toMatchObject({ code: 'timeout' })
    timers.fire(50_000)
    await ended
    give(call, 'orders')
    expect((await patient).audience).toEqual(['orders'])
  })
})
