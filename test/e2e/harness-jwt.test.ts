import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Authority } from '@fastify-spiffe/authority'
import { afterAll, beforeAll, expect, test } from '@jest/globals'

const WEB = 'spiffe://example.org/acme/web'
const HARNESS = 'spiffe://example.org/acme/harness'

const program = fileURLToPath(new URL('../../conformance/harness', import.meta.url))

let authority: Authority
let child: ChildProcess
const ports = new Map<string, string>()

beforeAll(async () => {
  authority = await Authority.create({ trustDomain: 'example.org' })
  const { address } = await authority.serve({ spiffeId: HARNESS })
  child = spawn(program, [], {
    env: {
      PATH: `${dirname(process.execPath)}:${process.env['PATH']}`,
      SPIFFE_ENDPOINT_SOCKET: address,
      SPIFFE_HARNESS_PARTS: 'http,jwt-http,grpc',
      HARNESS_AUDIENCE: 'judge',
      HARNESS_COVERED: '1',
      HARNESS_TENANT: '/{tenant}/{workload}',
    },
    stdio: ['ignore', 'pipe', 'inherit'],
  })
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

async function get(path: string, authorization?: string): Promise<Response> {
  const headers = authorization === undefined ? {} : { authorization }
  return fetch(`http://127.0.0.1:${ports.get('SPIFFE_JWT_PORT')}${path}`, { headers })
}

function tokenFor(audience: string): string {
  return `Bearer ${authority.jwt.issueJwtSvid(WEB, { audience }).token}`
}

test('on the part jwt-http a token is the only proof', async () => {
  const whoami = await get('/whoami', tokenFor('judge'))
  expect([whoami.status, await whoami.json()]).toEqual([
    200,
    { spiffeId: WEB, proof: 'jwt-svid', tenant: 'acme', chain: [] },
  ])
  expect((await get('/whoami')).status).toBe(401)
  expect((await get('/whoami', tokenFor('another'))).status).toBe(401)
  expect((await get('/public')).status).toBe(200)
  expect((await get('/public', 'Bearer x')).status).toBe(401)
  expect((await get('/x509-only', tokenFor('judge'))).status).toBe(403)
})

test('outgoing calls present tokens where the judge names an audience', async () => {
  const url = `https://127.0.0.1:${ports.get('SPIFFE_HTTP_PORT')}/whoami`
  const command = async (path: string, body: object): Promise<Record<string, unknown>> => {
    const control = `http://127.0.0.1:${ports.get('SPIFFE_CONTROL_PORT')}${path}`
    const response = await fetch(control, { method: 'POST', body: JSON.stringify(body) })
    return (await response.json()) as Record<string, unknown>
  }
  const server = { id: HARNESS }
  const good = await command('/v2/http/get', { url, server, audience: 'judge' })
  expect(good).toMatchObject({ httpStatus: 200, body: expect.stringContaining('x509-svid') })
  const wrong = await command('/v2/http/get', { url, server, audience: 'another' })
  expect(wrong).toMatchObject({ httpStatus: 401 })
  const address = `127.0.0.1:${ports.get('SPIFFE_GRPC_PORT')}`
  const call = { address, server, method: 'Who', audience: 'judge' }
  expect(await command('/v2/grpc/call', call)).toMatchObject({ grpcStatus: 0, values: [HARNESS] })
})
