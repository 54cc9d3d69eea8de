const MAX_QUOTED = 100

/**
 * Quotes an outside value for a message: in double quotes, printable ASCII only, and no longer than
 * a line, so that a hostile value can neither flood a log nor steer a terminal.
 */
export function quote(value: unknown): string {
  if (typeof value !== 'string') return value === null ? 'null' : `a value of type ${typeof value}`
  const shown = JSON.stringify(value.slice(0, MAX_QUOTED)).replace(/[^\x20-\x7e]/g, escape)
  return value.length > MAX_QUOTED ? `${shown}… (${value.length} characters)` : shown
}

function escape(character: string): string {
  return `\\u${character.charCodeAt(0).toString(16).padStart(4, '0')}`
}
