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
