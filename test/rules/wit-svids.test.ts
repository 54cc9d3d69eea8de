import { generateKeyPairSync } from 'node:crypto'
import { inspect } from 'node:util'
import { WorkloadApiClient } from '@fastify-spiffe/workload-api'
import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test } from '@jest/globals'

import { ScriptedAgent } from '@fastify-spiffe-test/kit/scripted-agent'

const WEB = 'spiffe://example.org/web'
const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const KEY = JSON.stringify(privateKey.export({ format: 'jwk' }))

let agent: ScriptedAgent
let client: WorkloadApiClient

beforeEach(async () => {
  agent = await ScriptedAgent.listen()
  client = new WorkloadApiClient({ address: agent.address })
})

afterEach(async () => {
  await client.close()
  await agent[Symbol.asyncDispose]()
})

function encode(part: object): string {
  return Buffer.from(JSON.stringify(part)).toString('base64url')
}

/** `WITSVID`, good where the test is silent. */
function entry({
  header = {},
  claims = {},
  ...more
}: Record<string, object | string> = {}): object {
  const jwk = publicKey.export({ format: 'jwk' })
  const head = { alg: 'ES256', kid: '1', typ: 'wit+jwt', ...Object(header) }
  const body = { sub: WEB, cnf: { jwk }, exp: 2_000_000_000, ...Object(claims) }
  const witSvid = `${encode(head)}.${encode(body)}.${'A'.repeat(86)}`
  return { spiffeId: WEB, witSvid, witSvidKey: KEY, hint: '', ...more }
}

function failing(code: string): object {
  return expect.objectContaining({ code })
}

test('rule 63: an agent without WIT-SVIDs says so once, and is asked no more', async () => {
  const asking = [client.fetchWitSvids(), client.fetchWitBundles()]
  const first = await agent.nextCall()
  first.fail(status.UNIMPLEMENTED)
  ;(await agent.nextCall()).fail(status.UNIMPLEMENTED)
  for (const each of asking) await expect(each).rejects.toEqual(failing('unimplemented'))
  for (const again of [client.fetchWitSvids(), client.fetchWitBundles()]) {
    await expect(again).rejects.toEqual(failing('unimplemented'))
  }
  expect(agent.calls).toHaveLength(2)
  const other = client.fetchJwtBundles()
  ;(await agent.nextCall('FetchJWTBundles')).fail(status.UNAVAILABLE)
  await expect(other).rejects.toEqual(failing('unavailable'))
})

test('rule 91: a WIT-SVID comes with its key, and shows neither itself nor the key', async () => {
  const asking = client.fetchWitSvids({ spiffeId: WEB })
  const call = await agent.nextCall('FetchWITSVID')
  expect(call.request).toMatchObject({ spiffeId: WEB })
  expect(call.header).toEqual(['true'])
  const good = entry({ hint: 'internal' })
  call.send({ svids: [good, entry({ hint: 'internal' })] })
  const svids = await asking
  expect(svids).toHaveLength(1)
  expect(svids[0]).toMatchObject({ hint: 'internal', token: Reflect.get(good, 'witSvid') })
  expect(svids[0]?.privateKey.equals(privateKey)).toBe(true)
  const shown = `${JSON.stringify(svids)}${inspect(svids, { depth: 9, showHidden: true })}`
  expect(shown).not.toContain(Reflect.get(good, 'witSvid'))
  expect(shown).not.toContain(privateKey.export({ format: 'jwk' }).d)
})

test.each<[string, Record<string, object | string>, string]>([
  ['has no token', { witSvid: '' }, 'invalid-message'],
  ['has no key', { witSvidKey: '' }, 'invalid-message'],
  ['has no SPIFFE ID', { spiffeId: '' }, 'invalid-message'],
  ['is of another', { claims: { sub: `${WEB}/other` } }, 'invalid-svid'],
  ['has another typ', { header: { typ: 'JWT' } }, 'invalid-svid'],
  ['has an audience', { claims: { aud: ['orders'] } }, 'invalid-svid'],
  ['is bound to no key', { claims: { cnf: {} } }, 'invalid-svid'],
  ['has a key that is none', { witSvidKey: '{"kty":"EC"}' }, 'invalid-svid'],
  [
    'has another key than it is bound to',
    {
      witSvidKey: JSON.stringify(
        generateKeyPairSync('ec', { namedCurve: 'P-256' }).privateKey.export({ format: 'jwk' }),
      ),
    },
    'key-mismatch',
  ],
])('rule 91: a WIT-SVID that %s is refused', async (_, more, code) => {
  const asking = client.fetchWitSvids()
  ;(await agent.nextCall('FetchWITSVID')).send({ svids: [entry(more)] })
  const error: unknown = await asking.catch((reason: unknown) => reason)
  expect(error).toEqual(failing(code))
  expect(inspect(error, { depth: 9 })).not.toContain('"d"')
})

test('WIT bundles are given as they come, by trust domain', async () => {
  const asking = client.fetchWitBundles()
  ;(await agent.nextCall('FetchWITBundles')).send({
    bundles: { 'spiffe://example.org': '{"keys":[]}' },
  })
  expect(await asking).toEqual(new Map([['example.org', '{"keys":[]}']]))
  const empty = client.fetchWitBundles()
  ;(await agent.nextCall('FetchWITBundles')).send({})
  await expect(empty).rejects.toEqual(failing('invalid-message'))
  const misnamed = client.fetchWitBundles()
  ;(await agent.nextCall('FetchWITBundles')).send({ bundles: { 'example.org': '{}' } })
  await expect(misnamed).rejects.toEqual(failing('invalid-message'))
  await expect(client.fetchWitSvids({ spiffeId: 'web' })).rejects.toEqual(failing('invalid-option'))
})
