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

/** As JSON, with each bigint as the number that it is: JavaScript has no number for a large sequence. */
export function toJson(body: Answer['body']): string {
  const marked = JSON.stringify(body, (_key, value: unknown) =>
    typeof value === 'bigint' ? `\u0000${value}` : value,
  )
  return marked.replaceAll(/"\\u0000(?<digits>\d+)"/g, '$<digits>')
}
