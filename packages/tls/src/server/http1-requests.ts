import type { EventEmitter } from 'node:events'
import { ServerResponse, type IncomingMessage } from 'node:http'
import { liveConnectionOf } from './live-connection.ts'

/** Records on each connection the HTTP/1.1 requests that arrive, and whether it was upgraded. */
export function trackHttp1Requests(server: EventEmitter): void {
  for (const name of ['request', 'checkContinue', 'checkExpectation'])
    attachFirst(server, name, trackResponse)
  for (const name of ['upgrade', 'connect']) attachFirst(server, name, markUpgraded)
}

type Listener = (request: IncomingMessage, answer: unknown) => void

const trackResponse: Listener = (request, answer) => {
  if (answer instanceof ServerResponse) liveConnectionOf(request.socket)?.trackResponse(answer)
}

// HTTP/2 has a `connect` event too, but there the session tracks its streams.
const markUpgraded: Listener = (request) => {
  if (request.httpVersionMajor === 1) liveConnectionOf(request.socket)?.markUpgraded()
}

/** Listens first, and only while others do: a listener changes what Node does by default. */
function attachFirst(server: EventEmitter, name: string, listener: Listener): void {
  let attached = false
  server.on('newListener', (added) => {
    if (added !== name || attached) return
    attached = true
    server.prependListener(name, listener)
  })
  server.on('removeListener', (removed, gone) => {
    if (removed !== name || !attached) return
    if (gone === listener) attached = false
    else if (server.listenerCount(name) === 1) server.removeListener(name, listener)
  })
}
