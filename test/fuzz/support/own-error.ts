import { check } from './target.ts'

type ErrorClass = abstract new (...parameters: never[]) => Error & { readonly code: string }

const MAX_MESSAGE = 2_000

/** PEM, or as many digits of base64 or hexadecimal as only certificates and keys have. */
const MATERIAL = /-----BEGIN|[A-Za-z0-9+/]{64}|(?:[0-9a-f]{2}:?){40}/i

/**
 * The code of a refusal. The error has to be of the package's own class, with a short message; and nothing that is, or was
 * caused by, it may quote PEM, a certificate or a key.
 */
export function codeOf(error: unknown, own: ErrorClass): string {
  if (!(error instanceof own)) throw error
  for (let cause: unknown = error, depth = 0; cause !== undefined && depth < 10; depth += 1) {
    const message = messageOf(cause)
    check(message.length <= MAX_MESSAGE, `the message of ${error.code} is ${message.length} long`)
    check(!MATERIAL.test(message), `the message of ${error.code} quotes material: ${message}`)
    cause =
      typeof cause === 'object' && cause !== null && 'cause' in cause ? cause.cause : undefined
  }
  return error.code
}

function messageOf(error: unknown): string {
  return typeof error === 'object' && error !== null && 'message' in error
    ? String(error.message)
    : String(error)
}

/** {@link codeOf} of what is thrown; `accepted` when nothing is. */
export function outcomeOf(own: ErrorClass, read: () => void): string {
  try {
    read()
  } catch (error) {
    return codeOf(error, own)
  }
  return 'accepted'
}
