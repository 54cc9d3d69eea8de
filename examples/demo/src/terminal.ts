import { styleText } from 'node:util'

type Style = Parameters<typeof styleText>[0]

/** Colour for people; plain text for pipes, unless FORCE_COLOR asks for it. NO_COLOR wins (no-color.org). */
const coloured =
  process.env['NO_COLOR'] === undefined &&
  (process.stdout.isTTY || process.env['FORCE_COLOR'] !== undefined)

function paint(style: Style, text: string): string {
  return coloured ? styleText(style, text) : text
}

const startedAt = performance.now()

function line(mark: string, text: string): void {
  const seconds = ((performance.now() - startedAt) / 1000).toFixed(1).padStart(5)
  process.stdout.write(`${paint('gray', `${seconds}s`)} ${mark} ${text}\n`)
}

/** A heading of the story. */
export function chapter(text: string): void {
  process.stdout.write(`\n${paint(['bold', 'cyan'], text)}\n`)
}
/** Something went as it should. */
export function good(text: string): void {
  line(paint('green', '✔'), text)
}
/** Somebody was kept out, as it should be. */
export function refused(text: string): void {
  line(paint('yellow', '✖'), text)
}
/** Plain information. */
export function info(text: string): void {
  line(paint('blue', '•'), text)
}
/** The story went wrong. */
export function bad(text: string): void {
  line(paint('red', '!'), text)
}

export function strong(text: unknown): string {
  return paint('bold', String(text))
}
