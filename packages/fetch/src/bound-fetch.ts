import type { Dispatcher } from 'undici'
import { FetchError } from './errors.ts'
import type { Undici } from './undici.ts'

/** The built-in `fetch`, bound to a dispatcher. */
export type BoundFetch = (input: string | URL | Request, init?: RequestInit) => Promise<Response>

/**
 * Binds the `fetch` of the dispatcher's own module, and not the built-in one: that can be replaced by one that drops the
 * dispatcher, and with it the verification of the server.
 */
export function bindFetch(undici: Undici, dispatcher: Dispatcher): BoundFetch {
  return async (input, init = {}) => {
    if ('dispatcher' in init) {
      throw new FetchError('invalid-option', 'this fetch has its dispatcher: remove the option')
    }
    // Undici would send a built-in form as its text, and does not know the built-in class of requests.
    const [url, options] =
      input instanceof Request || init.body instanceof FormData
        ? translated(new Request(input, init))
        : [input, init]
    return undici.fetch(url, { ...options, dispatcher })
  }
}

function translated(request: Request): [string, RequestInit] {
  const { method, headers, body, signal, redirect, integrity, credentials } = request
  const init = { method, headers: [...headers], signal, redirect, integrity, credentials }
  return [request.url, body === null ? init : { ...init, body, duplex: 'half' }]
}
