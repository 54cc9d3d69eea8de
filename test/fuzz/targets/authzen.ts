import { once } from 'node:events'
import { createServer, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { PolicyError, type EngineRequest } from '@fastify-spiffe/authz'
import { authzen } from '@fastify-spiffe/policy/authzen'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { codeOf } from '../support/own-error.ts'
import { edited, edits } from '../support/mutation.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import { jsonFault } from './json.ts'

interface Input {
  readonly status: number
  readonly type: string
  readonly body: Uint8Array
  readonly echoes: boolean
}

const QUESTION: EngineRequest = {
  spiffeId: SpiffeId.parse('spiffe://example.org/acme/web'),
  tenant: null,
  method: 'GET',
  route: '/',
  attributes: {},
}

const BODIES = [
  '{"decision":true}',
  '{"decision":false}',
  '{"decision":"true"}',
  '{"decision":1}',
  '{}',
  '{"decision":true,"decision":false}',
  '{"decision":false,"decision":true}',
  'true',
  '[true]',
  '{"__proto__":{"decision":true}}',
  '{"Decision":true}',
  '{"decision":{"decision":true}}',
  '\ufeff{"decision":true}',
  ' {"decision" : true , "context":{"reason":[1,2]}}\n',
  'null',
  '',
  '{"decision":true} ',
  '{"decision":true}{}',
  '{"decision":true',
  '[{"decision":true}]',
]

const inputs: fc.Arbitrary<Input> = fc.record({
  status: fc.oneof({ weight: 4, arbitrary: fc.constant(200) }, fc.constantFrom(201, 202, 403, 500)),
  type: fc.oneof(
    { weight: 6, arbitrary: fc.constant('application/json') },
    fc.constantFrom('application/json; charset=utf-8', 'text/json', 'application/jsonp', ''),
  ),
  body: fc.oneof(
    fc.constantFrom(...BODIES).map((text) => Buffer.from(text)),
    fc
      .tuple(fc.constantFrom(...BODIES), edits)
      .map(([text, changes]) => edited(Buffer.from(text), changes)),
    fc.jsonValue().map((value) => Buffer.from(JSON.stringify(value))),
    fc.nat(200_000).map((length) => Buffer.from(`{"decision":true,"a":"${'a'.repeat(length)}"}`)),
  ),
  echoes: fc.oneof({ weight: 9, arbitrary: fc.constant(true) }, fc.constant(false)),
})

/** Answers of a decision point over HTTP, against what AuthZEN says of them. */
export async function openAuthzen(): Promise<Target<Input>> {
  let input: Input = { status: 200, type: '', body: Buffer.alloc(0), echoes: true }
  const server = createServer((request, response: ServerResponse) => {
    request.resume()
    request.once('end', () => {
      response.statusCode = input.status
      if (input.type !== '') response.setHeader('content-type', input.type)
      response.setHeader(
        'x-request-id',
        input.echoes ? String(request.headers['x-request-id']) : 'another',
      )
      response.end(input.body)
    })
  })
  await once(server.listen(0, '127.0.0.1'), 'listening')
  const { port } = server.address() as AddressInfo
  const engine = authzen({ url: `http://127.0.0.1:${port}` })
  return {
    inputs,
    async read(given) {
      input = given
      const expected = decisionIn(given)
      try {
        const decision = await engine.decide(QUESTION, { signal: AbortSignal.timeout(30_000) })
        check(decision === expected, `it says ${decision}, and should say ${String(expected)}`)
        return decision ? ACCEPTED : 'refused'
      } catch (error) {
        const code = codeOf(error, PolicyError)
        check(expected === undefined, `${code}, and the answer was ${String(expected)}`)
        return code
      }
    },
    bytesOf: ({ body, ...head }) => Buffer.concat([Buffer.from(JSON.stringify(head)), body]),
    async [Symbol.asyncDispose]() {
      await engine.close?.()
      server.closeAllConnections()
      server.close()
      await once(server, 'close')
    },
  }
}

/** What an answer says; `undefined` for what is none. */
function decisionIn({ status, type, body, echoes }: Input): boolean | undefined {
  const isJson = /^application\/json(?:;|$)/.test(type)
  if (status !== 200 || !isJson || !echoes || body.length > 65_536) return undefined
  try {
    return decisionOf(new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(body))
  } catch {
    return undefined
  }
}

function decisionOf(text: string): boolean | undefined {
  const answer: unknown = JSON.parse(text)
  if (jsonFault(text) !== null || typeof answer !== 'object' || answer === null) return undefined
  const decision = Object.getOwnPropertyDescriptor(answer, 'decision')?.value as unknown
  return typeof decision === 'boolean' ? decision : undefined
}
