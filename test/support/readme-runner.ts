import { subscribe } from 'node:diagnostics_channel'
import type { ClientRequest } from 'node:http'
import { Server, Socket } from 'node:net'
import { dirname } from 'node:path'
import { pathToFileURL } from 'node:url'
import { inspect } from 'node:util'

/**
 * The process in which the programs of documents run, one after the other, as they stand. It gives them
 * a network in which their ports are free and their neighbours exist: whatever listens gets a port of
 * its own, `*.internal` is the service of {@link RunnerWorld}, and SPIRE's usual socket its endpoint.
 */
export type RunnerMessage =
  | { readonly event: 'finished'; readonly file: string; readonly error?: string }
  | { readonly event: 'listening'; readonly file: string; readonly port: number }

/** The first argument, as JSON. The others are the programs. */
export interface RunnerWorld {
  readonly servicePort: number
  readonly endpointPath: string
}

const AGENT_SOCKET = '/run/spire/agent/api.sock'

// What the programs have opened stays open until the test has seen enough, or is gone: a program may ignore signals.
process.once('disconnect', () => process.exit(0))

const [, , worldJson = '', ...files] = process.argv
const world: RunnerWorld = JSON.parse(worldJson)
let running = ''

const send = (message: RunnerMessage): void => void process.send?.(message)

const wrap = (
  target: object,
  name: string,
  change: (self: object, args: unknown[]) => unknown[],
) => {
  const original = Reflect.get(target, name) as (...args: unknown[]) => unknown
  Reflect.set(target, name, function wrapped(this: object, ...args: unknown[]) {
    return Reflect.apply(original, this, change(this, args))
  })
}

wrap(Server.prototype, 'listen', (server, [first, ...rest]) => {
  if (server instanceof Server) server.once('listening', () => sendPort(server))
  if (typeof first === 'number') return [0, ...rest]
  return [hasPort(first) ? { ...first, port: 0 } : first, ...rest]
})

const sendPort = (server: Server): void => {
  const address = server.address()
  if (address !== null && typeof address === 'object') {
    send({ event: 'listening', file: running, port: address.port })
  }
}

wrap(Socket.prototype, 'connect', (_socket, args) => {
  const [first] = args
  const options: unknown = Array.isArray(first) ? first[0] : first
  if (typeof options !== 'object' || options === null) return args
  if ('path' in options && options.path === AGENT_SOCKET) {
    Object.assign(options, { path: world.endpointPath })
  } else if ('host' in options && String(options.host).endsWith('.internal')) {
    Object.assign(options, { host: '127.0.0.1', port: world.servicePort })
  }
  return args
})

const hasPort = (value: unknown): value is { port: unknown } =>
  typeof value === 'object' && value !== null && 'port' in value

// A program has finished when its module has been evaluated and its requests have been answered.
const requests: Promise<unknown>[] = []
subscribe('http.client.request.start', (message) => {
  const { request } = message as { request: ClientRequest }
  // Without its `error`, which is the program's to handle.
  requests.push(new Promise((resolve) => request.once('close', resolve)))
})

// What a program throws is its own fault, and the next one runs all the same.
let fail: (error: unknown) => void = () => undefined
process.on('uncaughtException', (error) => fail(error))

for (const file of files) {
  running = file
  process.chdir(dirname(file))
  const failed = new Promise<never>((_resolve, reject) => (fail = reject))
  try {
    await Promise.race([runToEnd(file), failed])
    send({ event: 'finished', file })
  } catch (error) {
    send({ event: 'finished', file, error: inspect(error) })
  }
}

async function runToEnd(file: string): Promise<void> {
  await import(pathToFileURL(file).href)
  while (requests.length > 0) await requests.pop()
}
