import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Authority } from '@fastify-spiffe/authority'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

const HARNESS = 'spiffe://example.org/acme/harness'

const program = fileURLToPath(new URL('../../conformance/harness', import.meta.url))

let authority: Authority
let address: string
let child: ChildProcess
const ports = new Map<string, string>()

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  address = (await authority.serve({ spiffeId: HARNESS })).address
  child = start({ HARNESS_COVERED: '1', HARNESS_ALLOW: HARNESS })
  for await (const line of createInterface(child.stdout!)) {
    const [name = '', port = ''] = line.split('=')
    ports.set(name, port)
    if (line === 'READY') break
  }
})

afterAll(async () => {
  const ended = once(child, 'exit')
  child.kill()
  await ended
  await authority.close()
})

function start(more: NodeJS.ProcessEnv): ChildProcess {
  return spawn(program, [], {
    env: {
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      SPIFFE_ENDPOINT_SOCKET: address,
      SPIFFE_HARNESS_PARTS: 'grpc',
      ...more,
    },
    stdio: ['ignore', 'pipe', 'ignore'],
  })
}

/** What the harness says of a call of its own server. */
async function call(more: object): Promise<object> {
  const body = {
    address: `127.0.0.1:${ports.get('SPIFFE_GRPC_PORT')}`,
    server: { id: HARNESS },
    ...more,
  }
  const url = `http://127.0.0.1:${ports.get('SPIFFE_CONTROL_PORT')}/v2/grpc/call`
  const response = await fetch(url, { method: 'POST', body: JSON.stringify(body) })
  return { code: response.status, body: await response.json() }
}

describe('gRPC calls of the harness', () => {
  test.each<[string, object, object]>([
    ['Who', {}, { grpcStatus: 0, values: [HARNESS] }],
    ['Sum', { messages: ['a', 'b'] }, { grpcStatus: 0, values: ['2'] }],
    ['Echo', { messages: ['a', 'b'] }, { grpcStatus: 0, values: ['a', 'b'] }],
    ['Check', {}, { grpcStatus: 0, values: ['1'] }],
    ['Secret', {}, { grpcStatus: 12, values: [] }],
  ])('%s is answered, and tells the server', async (method, more, body) => {
    const outcome = await call({ method, ...more })
    expect(outcome).toMatchObject({ code: 200, body: { spiffe_id: HARNESS, ...body } })
  })

  test('Ticks goes on for the given time', async () => {
    const outcome = await call({ method: 'Ticks', seconds: 0.5 })
    const values = expect.arrayContaining([HARNESS])
    expect(outcome).toMatchObject({ code: 200, body: { grpcStatus: 1, values } })
  })

  test.each([
    ['another server', { server: { id: 'spiffe://example.org/other' } }, 'server-not-allowed'],
    ['another trust domain', { server: { trustDomain: 'other.org' } }, 'server-refused'],
  ])('are refused by code for %s', async (_, server, code) => {
    const outcome = await call({ method: 'Who', ...server })
    expect(outcome).toMatchObject({ code: 422, body: { status: 'rejected', code } })
  })
})

test('the harness ends with 3 where a method of its server has no rule', async () => {
  const [code] = await once(start({}), 'exit')
  expect(code).toBe(3)
})
