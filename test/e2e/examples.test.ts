import { fileURLToPath } from 'node:url'
import { Authority } from '@fastify-spiffe/authority'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { NodeProcess } from '../support/process.ts'

const example = (path: string): string =>
  fileURLToPath(new URL(`../../../examples/${path}`, import.meta.url))

let authority: Authority

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
})

afterAll(() => authority.close())

/** What tells a process where its agent is. */
const agentOf = async (path: string): Promise<NodeJS.ProcessEnv> => {
  const { address } = await authority.serve({ spiffeId: `spiffe://example.org${path}` })
  return { SPIFFE_ENDPOINT_SOCKET: address }
}

describe('the smallest service', () => {
  const service = example('smallest/dist/service.js')
  const caller = example('smallest/dist/call.js')

  test('lets in the caller that its route names, and nobody else, and ends when it is asked to', async () => {
    const [asOrders, asWeb] = await Promise.all([agentOf('/acme/orders'), agentOf('/acme/web')])
    await using running = new NodeProcess(service, { ...asOrders, PORT: '0' })
    const [, PORT] = await running.says(/Server listening at https:\/\/127\.0\.0\.1:(\d+)"/)

    await using web = new NodeProcess(caller, { ...asWeb, PORT })
    expect(await web.end()).toEqual({
      code: 0,
      out: '200 hello spiffe://example.org/acme/web\n',
      error: '',
    })
    await using orders = new NodeProcess(caller, { ...asOrders, PORT })
    expect((await orders.end()).out).toMatch(/^403 /)
    expect(await running.stop()).toMatchObject({ code: 0, error: '' })
  }, 30_000)

  test('says what is missing when there is no agent', async () => {
    await using running = new NodeProcess(service, { SPIFFE_ENDPOINT_SOCKET: '' })
    const { code, error } = await running.end()
    expect(code).toBe(1)
    expect(error).toContain("code: 'no-endpoint'")
  }, 30_000)
})

test('two services call each other: one call is allowed, one refused, and both end', async () => {
  await using running = new NodeProcess(example('two-services/dist/main.js'))
  const { code, out, error } = await running.end()
  expect({ code, error }).toEqual({ code: 0, error: '' })
  expect(out.split('\n')).toEqual([
    expect.stringMatching(/billing of globex.* 200 .*"readBy":"globex"/),
    expect.stringMatching(/orders of acme.* 403 .*"code":"forbidden"/),
    '',
  ])
}, 30_000)

test('a ledger is read on behalf of the one caller that its rule names, and both hops have signed', async () => {
  await using running = new NodeProcess(example('chain/dist/main.js'))
  const { code, out, error } = await running.end()
  expect({ code, error }).toEqual({ code: 0, error: '' })
  expect(out.split('\n')).toEqual([
    expect.stringMatching(/ answers 200 .*"caller":".*checkout","onBehalfOf":".*web"/),
    expect.stringMatching(/does not: .* answers 403 /),
    expect.stringMatching(/itself: .* answers 403 /),
    '',
  ])
}, 30_000)

test('a service behind a gateway that ends TLS is called with tokens of another trust domain, as long as that is federated', async () => {
  await using running = new NodeProcess(example('gateway/dist/main.js'))
  const { code, out, error } = await running.end()
  expect({ code, error }).toEqual({ code: 0, error: '' })
  expect(out.split('\n')).toEqual([
    expect.stringMatching(/ 200 .*"caller":"spiffe:\/\/partner\.test\/billing","proof":"jwt-svid"/),
    expect.stringMatching(/another service: +401 /),
    expect.stringMatching(/without one: +403 /),
    expect.stringMatching(/not good for: +403 /),
    expect.stringMatching(/no longer federated: +401 /),
    '',
  ])
}, 30_000)

/** The statuses of the calls that the example prints. */
const statuses = (text = ''): unknown => text.match(/(?<=\} +)\d{3}(?= |$)/gm)

test('a service of two tenants goes by its policy document and by claims, and by a new document without a restart', async () => {
  await using running = new NodeProcess(example('authorization/dist/main.js'))
  const { code, out, error } = await running.end()
  expect({ code, error }).toEqual({ code: 0, error: '' })
  const [, table, calls, explanation, comparison, deployed, refused] = out.split(/^# .*\n\n/m)
  expect(table).toContain('| PUT | `/tenants/:tenant/orders/:id` |')
  expect(statuses(calls)).toEqual(['200', '403', '403', '200', '200', '403'])
  expect(explanation).toMatch(/^deny: not-allowed, /)
  expect(comparison).toMatch(/GET.*"agree":2,"wouldDeny":0.*\n.*PUT.*"agree":3,"wouldDeny":1/)
  expect(deployed).toMatch(/^\{"version":"2","code":null\}/)
  expect(statuses(deployed)).toEqual(['200', '403'])
  expect(refused).toMatch(/^\{"version":"2","code":"policy-test-failed"\}/)
  expect(statuses(refused)).toEqual(['200'])
}, 30_000)
