import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { dirname } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { Authority } from '@fastify-spiffe/authority'
import { Chains } from '@fastify-spiffe/chain'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'

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
      SPIFFE_HARNESS_PARTS: 'http,not-a-part',
      HARNESS_ACTOR_ROOT: WEB,
      HARNESS_TENANT: '/{tenant}/{workload}',
      HARNESS_ALLOW: `spiffe://example.org/other ${HARNESS}`,
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

async function command(path: string, body?: object): Promise<Record<string, unknown>> {
  const url = `http://127.0.0.1:${ports.get('SPIFFE_CONTROL_PORT')}${path}`
  const init = body === undefined ? {} : { method: 'POST', body: JSON.stringify(body) }
  const response = await fetch(url, init)
  return { code: response.status, body: await response.json() }
}

function urlOf(path: string): string {
  return `https://127.0.0.1:${ports.get('SPIFFE_HTTP_PORT')}${path}`
}

test('the harness announces the parts that it has', () => {
  expect([...ports.keys()]).toEqual([
    'SPIFFE_HARNESS_VERSION',
    'SPIFFE_X509_PORT',
    'SPIFFE_CONTROL_PORT',
    'SPIFFE_HTTP_PORT',
    'READY',
  ])
})

test('the harness tells what its source holds', async () => {
  expect(await command('/v2/state')).toMatchObject({
    code: 200,
    body: {
      status: 'ok',
      spiffe_id: HARNESS,
      state: 'ready',
      bundles: { 'example.org': { x509: 1, jwt: 1 } },
    },
  })
})

test('the harness fetches a token, and says whose it is', async () => {
  const fetched = await command('/v1/jwt/fetch', { audience: ['orders'], spiffe_id: HARNESS })
  expect(fetched).toMatchObject({ code: 200, body: { svids: [{ spiffe_id: HARNESS, hint: '' }] } })
  const [{ token }] = (fetched['body'] as { svids: [{ token: string }] }).svids
  const validated = await command('/v1/jwt/validate', { token, audience: 'orders' })
  expect(validated).toMatchObject({ code: 200, body: { status: 'ok', spiffe_id: HARNESS } })
  const refused = await command('/v1/jwt/validate', { token, audience: 'ledger' })
  expect(refused).toMatchObject({ code: 422, body: { code: 'wrong-audience' } })
  const stranger = { audience: ['orders'], spiffe_id: `${HARNESS}/other` }
  expect(await command('/v1/jwt/fetch', stranger)).toMatchObject({
    code: 422,
    body: { status: 'rejected', code: 'no-identity' },
  })
})

test('the harness answers 501 to what it does not support', async () => {
  expect(await command('/v2/not/there', {})).toMatchObject({ code: 501 })
})

describe.each([{ http2: false }, { http2: true }])(
  'requests of the harness, $http2',
  ({ http2 }) => {
    test('name the caller at a server that it means', async () => {
      const call = { url: urlOf('/whoami'), server: { id: HARNESS }, http2 }
      const { code, body } = await command('/v2/http/get', call)
      expect({ code, body }).toMatchObject({
        code: 200,
        body: { httpStatus: 200, spiffe_id: HARNESS },
      })
      const answer: unknown = JSON.parse((body as { readonly body: string }).body)
      expect(answer).toEqual({ spiffeId: HARNESS, proof: 'x509-svid', tenant: 'acme', chain: [] })
    })

    test('are refused by code for another server, and for one without TLS', async () => {
      const other = { url: urlOf('/public'), server: { id: 'spiffe://example.org/other' }, http2 }
      expect(await command('/v2/http/get', other)).toMatchObject({
        code: 422,
        body: { status: 'rejected', code: 'server-not-allowed' },
      })
      const plain = {
        url: urlOf('/public').replace('https:', 'http:'),
        server: { any: true },
        http2,
      }
      expect(await command('/v2/http/get', plain)).toMatchObject({
        code: 422,
        body: { status: 'rejected', code: 'not-https' },
      })
    })

    test('go on for the given time over one client', async () => {
      const many = { url: urlOf('/public'), server: { trustDomain: 'example.org' }, http2 }
      const { body } = await command('/v2/http/many', { ...many, seconds: 0.2, concurrency: 3 })
      expect(body).toMatchObject({ failed: 0, codes: [], serverSerials: [expect.any(String)] })
      expect((body as { readonly ok: number }).ok).toBeGreaterThan(0)
    })
  },
)

/** Has the harness go on with a call that came in. */
async function relay(incoming: object, path = '/chain'): Promise<Record<string, unknown>> {
  const call = { ...incoming, url: urlOf(path), server: { id: HARNESS } }
  return command('/v2/chain/relay', call)
}

/** What a workload presents to the harness. */
async function tokenOf(id: string): Promise<object> {
  const chains = new Chains({ source: await authority.source(id), handTo: [HARNESS] })
  return { ...chains.headersFor(HARNESS, null) }
}

describe('a call that the harness relays', () => {
  test('is made on behalf of the caller of the incoming one', async () => {
    const { code, body } = await relay({ token: await tokenOf(WEB), peer: WEB })
    expect({ code, body }).toMatchObject({ code: 200, body: { httpStatus: 200 } })
    const answer: unknown = JSON.parse((body as { readonly body: string }).body)
    expect(answer).toMatchObject({ spiffeId: HARNESS, chain: [WEB] })
  })

  test('is its own without a token, and refused where it has to be for another', async () => {
    expect(await relay({})).toMatchObject({ code: 200, body: { httpStatus: 403 } })
    expect(await relay({}, '/whoami')).toMatchObject({ code: 200, body: { httpStatus: 200 } })
    const other = 'spiffe://example.org/other'
    const token = await tokenOf(other)
    expect(await relay({ token, peer: other })).toMatchObject({ body: { httpStatus: 403 } })
  })

  test('is not made for a token of somebody else than the peer', async () => {
    const token = await tokenOf(WEB)
    expect(await relay({ token, peer: 'spiffe://example.org/other' })).toMatchObject({
      code: 422,
      body: { status: 'rejected', code: 'chain-caller-mismatch' },
    })
    expect(await relay({ token })).toMatchObject({ body: { code: 'chain-caller-mismatch' } })
  })
})
