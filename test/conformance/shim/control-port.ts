import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { createRequire } from 'node:module'
import { text } from 'node:stream/consumers'
import type { Federation } from '@fastify-spiffe/federation'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { failed, toJson, unsupported, type Answer } from './answer.ts'
import { dial } from './dial.ts'
import { useFiles } from './files-part.ts'
import { follow, refresh, stop } from './federation-part.ts'
import { callGrpc } from './grpc-call.ts'
import { httpGet, relay } from './http-get.ts'
import { httpMany } from './http-many.ts'
import { fetchJwt, type Jwt, validateJwt } from './jwt.ts'
import { listen } from './listen.ts'
import { state } from './state.ts'
import type { SwitchedSource } from './switched-source.ts'

/** What the commands act on. */
interface Held {
  readonly source: SwitchedSource
  readonly federation: Federation
  readonly jwt: Jwt
}

/** Opens the port by which the suite makes the library act. */
export function openControlPort(held: Held): Promise<number> {
  const server = createServer((request, response) => void reply(held, request, response))
  return listen(server)
}

async function reply(
  held: Held,
  request: IncomingMessage,
  response: ServerResponse,
): Promise<void> {
  const { code, body } = await answer(held, request).catch(failed)
  response.writeHead(code, { 'content-type': 'application/json' }).end(toJson(body))
}

type Command = (source: X509MaterialSource, body: never, held: Held) => Answer | Promise<Answer>

/** The commands of the contract, by method and path. */
const COMMANDS: ReadonlyMap<string, Command> = new Map<string, Command>([
  ['GET /v1/info', info],
  ['POST /v1/x509/dial', (source, body) => dial(source, addressOf(body))],
  ['POST /v1/jwt/validate', (_source, body, { jwt }) => validateJwt(jwt, body)],
  ['POST /v1/jwt/fetch', (_source, body, { jwt }) => fetchJwt(jwt, body)],
  ['POST /v2/http/get', httpGet],
  ['POST /v2/http/many', httpMany],
  ['POST /v2/chain/relay', relay],
  ['POST /v2/grpc/call', callGrpc],
  ['POST /v2/federation/follow', (_source, body, { federation }) => follow(federation, body)],
  ['POST /v2/federation/refresh', (_source, body, { federation }) => refresh(federation, body)],
  ['POST /v2/federation/stop', (_source, body, { federation }) => stop(federation, body)],
  [
    'POST /v2/files/use',
    (_source, body, { source, federation }) => useFiles(source, federation, body),
  ],
  ['GET /v2/state', (_source, _body, held) => state(held)],
])

async function answer(held: Held, request: IncomingMessage): Promise<Answer> {
  const call = `${request.method} ${request.url}`
  const command = COMMANDS.get(call)
  if (command !== undefined) {
    const body = await text(request)
    return command(held.source, (body === '' ? undefined : JSON.parse(body)) as never, held)
  }
  if (request.url?.startsWith('/v2/') === true) return unsupported(`${call} is not supported`)
  return { code: 404, body: { status: 'error', message: `${call} is not in the contract` } }
}

function info(): Answer {
  const { name, version } = createRequire(import.meta.url)('fastify-spiffe/package.json') as {
    name: string
    version: string
  }
  const body = { status: 'ok', sdk: name, sdk_version: version, language: 'TypeScript' }
  return { code: 200, body }
}

function addressOf(body: unknown): string {
  if (typeof body === 'object' && body !== null && 'address' in body) return String(body.address)
  throw new TypeError('the body has no address')
}
