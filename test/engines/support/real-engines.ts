import type { Engine } from '@fastify-spiffe/authz'
import { authzen } from '@fastify-spiffe/policy/authzen'
import { cerbos } from '@fastify-spiffe/policy/cerbos'
import { extAuthz } from '@fastify-spiffe/engine-ext-authz'
import { opa } from '@fastify-spiffe/policy/opa'
import { cerbosProgram, startCerbos } from '../cerbos/program.ts'
import { opaProgram, startOpa, startOpaForEnvoy } from '../opa/program.ts'
import type { Daemon } from '../../spire/fixture/daemon.ts'
import { API, type Request } from './scene.ts'

type Settings = Pick<Engine, 'timeoutMs' | 'slowMs' | 'breaker'>

/** An engine of the package, and the program that it asks. */
export interface RealEngine {
  readonly name: string
  readonly program: () => Promise<string>
  readonly start: (program: string, port: number) => Promise<Daemon>
  readonly engineAt: (port: number, settings: Settings) => Engine
  /** What becomes of requests, by the program's own answers. */
  readonly cases: readonly (readonly [what: string, request: Request, reason: string])[]
  /** What it must not take for an answer. */
  readonly garbage: string
}

const GARBAGE_HTTP =
  'HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 17\r\n\r\n{"decision":true}'

const COMMON = [
  ['lets in whom the policy allows', {}, 'allowed'],
  ['refuses what the policy forbids', { id: 'forbidden' }, 'engine-denied'],
  ['refuses whom the policy does not name', { as: API }, 'engine-denied'],
  ['refuses the method that the policy does not name', { method: 'PUT' }, 'engine-denied'],
] as const satisfies RealEngine['cases']

const ERRING = [
  'refuses where a rule that forbids fails',
  { id: 'erring' },
  'engine-denied',
] as const

const url = (port: number): string => `http://127.0.0.1:${port}`

export const CERBOS: RealEngine = {
  name: 'Cerbos',
  program: cerbosProgram,
  start: (program, port) => startCerbos(program, { port }),
  engineAt: (port, settings) =>
    cerbos({
      url: url(port),
      ...settings,
      roles: ({ attributes }) => (attributes['params.id'] === 'nobody' ? [] : ['workload']),
    }),
  cases: [
    ...COMMON,
    ERRING,
    ['takes an error of the API for a failure', { id: 'nobody' }, 'engine-failed'],
  ],
  garbage: GARBAGE_HTTP,
}

const AUTHZEN: RealEngine = {
  name: 'AuthZEN, by Cerbos',
  program: cerbosProgram,
  start: (program, port) => startCerbos(program, { port }),
  engineAt: (port, settings) =>
    authzen({
      url: url(port),
      ...settings,
      evaluation: ({ spiffeId, method, attributes }) => {
        const id = attributes['params.id'] ?? ''
        const properties = { 'cerbos.roles': ['workload'] }
        return {
          subject: { type: 'spiffe', id: id === 'nobody' ? '' : spiffeId.toString(), properties },
          action: { name: method },
          resource: { type: 'route', id: '/orders/{id}', properties: { params: { id } } },
        }
      },
    }),
  cases: [
    ...COMMON,
    ERRING,
    ['takes an error of the API for a failure', { id: 'nobody' }, 'engine-failed'],
  ],
  garbage: GARBAGE_HTTP,
}

const OPA: RealEngine = {
  name: 'OPA, by its REST API',
  program: opaProgram,
  start: startOpa,
  engineAt: (port, settings) => opa({ url: url(port), path: 'service/allow', ...settings }),
  cases: [
    ...COMMON,
    ['refuses where the rule is undefined', { id: 'unknown' }, 'engine-denied'],
    ['takes a text for a failure', { id: 'text' }, 'engine-failed'],
    ['takes a number for a failure', { id: 'number' }, 'engine-failed'],
    ['takes an object for a failure', { id: 'object' }, 'engine-failed'],
    ['takes null for a failure', { id: 'null' }, 'engine-failed'],
  ],
  garbage: GARBAGE_HTTP,
}

const EXT_AUTHZ: RealEngine = {
  name: 'ext_authz, by OPA',
  program: opaProgram,
  start: startOpaForEnvoy,
  engineAt: (port, settings) => extAuthz({ target: `127.0.0.1:${port}`, ...settings }),
  cases: [
    ...COMMON,
    ['takes an undefined rule for a failure', { id: 'unknown' }, 'engine-failed'],
    ['takes a text for a failure', { id: 'text' }, 'engine-failed'],
    ['takes a number for a failure', { id: 'number' }, 'engine-failed'],
    ['lets in, and changes nothing else, by an answer with headers', { id: 'mutating' }, 'allowed'],
    ['refuses by an answer with a body and a status', { id: 'answering' }, 'engine-denied'],
  ],
  garbage: 'HTTP/1.1 400 Bad Request\r\n\r\n',
}

export const REAL_ENGINES: readonly RealEngine[] = [CERBOS, AUTHZEN, OPA, EXT_AUTHZ]
