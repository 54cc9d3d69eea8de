import type { Answer } from './callers.ts'

/** A step of the demo did not have the expected result. */
export class StoryError extends Error {
  override readonly name = 'StoryError'
}

/** The demo shows what it says, or fails. */
export function check(holds: boolean, what: string): void {
  if (!holds) throw new StoryError(what)
}

export function checkStatus({ status, body }: Answer, expected: number): void {
  check(status === expected, `expected ${expected}, got ${status}: ${body}`)
}
