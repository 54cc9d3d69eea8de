/** What the control port answers: a status of HTTP, and the JSON body that belongs to it. */
export interface Answer {
  readonly code: number
  readonly body: Readonly<Record<string, unknown>>
}

/** The library looked at the peer, and refused it. */
export function rejected(reason: Error): Answer {
  return { code: 422, body: { status: 'rejected', message: reason.message } }
}

/** The harness could not do it. */
export function failed(reason: unknown): Answer {
  const message = reason instanceof Error ? reason.message : String(reason)
  return { code: 500, body: { status: 'error', message } }
}

/** The library cannot do it. */
export function unsupported(message: string): Answer {
  return { code: 501, body: { status: 'unsupported', message } }
}
