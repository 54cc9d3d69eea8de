import { readFileSync } from 'node:fs'
import { parseSync, type Comment, type Program } from 'oxc-parser'

/** A parsed module, with its text and its docstrings. */
export interface Syntax {
  readonly file: string
  readonly text: string
  readonly program: Program
  readonly comments: readonly Comment[]
}

export interface Span {
  readonly start: number
  readonly end: number
}

const parsed = new Map<string, Syntax>()

/** Each file is parsed once, for several entry points share it. */
export function parse(file: string): Syntax {
  const known = parsed.get(file)
  if (known !== undefined) return known
  const text = readFileSync(file, 'utf8')
  const { program, comments } = parseSync(file, text)
  const syntax = { file, text, program, comments }
  parsed.set(file, syntax)
  return syntax
}

export function textOf({ text }: Syntax, { start, end }: Span): string {
  return text.slice(start, end)
}

/** The docstring that stands right above a node, or above the `|` before it, without its stars. */
export function docstringOf({ text, comments }: Syntax, { start }: Span): string {
  const above = comments.findLast((comment) => comment.end <= start)
  if (above === undefined || above.type !== 'Block' || !above.value.startsWith('*')) return ''
  if (!/^\s*\|?\s*$/.test(text.slice(above.end, start))) return ''
  return above.value
    .slice(1)
    .split('\n')
    .map((line) => line.replace(/^\s*\* ?/, '').trimEnd())
    .join('\n')
    .trim()
}
