import type { EventEmitter } from 'node:events'
import { ServerResponse, type IncomingMessage } from 'node:http'
import { connectionOf } from './live-connection.ts'

/** Tells each connection of the HTTP/1.1 requests that arrive on it, and when it leaves HTTP. */
export const followExchanges = (server: EventEmitter): void => {
  for (const name of ['request', 'checkContinue', 'checkExpectation']) join(server, name, begin)
  for (const name of ['upgrade', 'connect']) join(server, name, upgrade)
}

type Listener = (request: IncomingMessage, answer: unknown) => void

const begin: Listener = (request, answer) => {
  if (answer instanceof ServerResponse) connectionOf(request.socket)?.begin(answer)
}

// HTTP/2 has a `connect` event too, but there the session counts its streams.
const upgrade: Listener = (request) => {
  if (request.httpVersionMajor === 1) connectionOf(request.socket)?.upgrade()
}

/** Listens first, and only while others do: Node acts otherwise as soon as anyone listens. */
const join = (server: EventEmitter, name: string, listener: Listener): void => {
  let joined = false
  server.on('newListener', (added) => {
    if (added !== name || joined) return
    joined = true
    server.prependListener(name, listener)
  })
  server.on('removeListener', (removed, gone) => {
    if (removed !== name || !joined) return
    if (gone === listener) joined = false
    else if (server.listenerCount(name) === 1) server.removeListener(name, listener)
  })
}
