const STRING = String.raw`"(?:[^"\\\u0000-\u001f]|\\(?:["\\/bfnrt]|u[\da-fA-F]{4}))*"`
const OTHER = String.raw`-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?|true|false|null`
const TOKEN = new RegExp(`(?<string>${STRING})|(?<other>${OTHER})|(?<mark>[{}[\\],:])`, 'y')
const BLANK = /[ \t\n\r]*/y

type Token = 'string' | 'other' | '{' | '}' | '[' | ']' | ',' | ':'
/** What may come next. */
type State = 'value' | 'first-value' | 'key' | 'first-key' | 'colon' | 'next' | 'end'

/** The index at which a text stops being JSON (RFC 8259). The engine's own errors quote the text, or have no index. */
export function syntaxFaultAt(text: string): number {
  const open: ('{' | '[')[] = []
  let state: State = 'value'
  let index = skipBlank(text, 0)
  while (index < text.length) {
    const [token, end] = tokenAt(text, index)
    const next: State | null = token === null ? null : follow(state, token, open)
    if (next === null) return index
    state = next
    index = skipBlank(text, end)
  }
  return text.length
}

function skipBlank(text: string, index: number): number {
  BLANK.lastIndex = index
  return index + (BLANK.exec(text)?.[0].length ?? 0)
}

function tokenAt(text: string, index: number): readonly [token: Token | null, end: number] {
  TOKEN.lastIndex = index
  const { string, other, mark } = TOKEN.exec(text)?.groups ?? {}
  if (string !== undefined) return ['string', index + string.length]
  if (other !== undefined) return ['other', index + other.length]
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the expression has these marks alone
  return [(mark as Token | undefined) ?? null, index + 1]
}

/** The state after a token; `null`: it has no place here. */
function follow(state: State, token: Token, open: ('{' | '[')[]): State | null {
  if (state === 'first-value' && token === ']') return close(open)
  if (state === 'first-key' && token === '}') return close(open)
  return FOLLOW[state](token, open)
}

const FOLLOW: Readonly<Record<State, (token: Token, open: ('{' | '[')[]) => State | null>> = {
  value,
  'first-value': value,
  key,
  'first-key': key,
  colon: (token) => (token === ':' ? 'value' : null),
  next: separated,
  end: () => null,
}

function key(token: Token): State | null {
  return token === 'string' ? 'colon' : null
}

function value(token: Token, open: ('{' | '[')[]): State | null {
  if (token === 'string' || token === 'other') return after(open)
  if (token !== '{' && token !== '[') return null
  open.push(token)
  return token === '{' ? 'first-key' : 'first-value'
}

function separated(token: Token, open: ('{' | '[')[]): State | null {
  const within = open.at(-1)
  if (token === ',') return within === '{' ? 'key' : 'value'
  return token === (within === '{' ? '}' : ']') ? close(open) : null
}

function close(open: ('{' | '[')[]): State {
  open.pop()
  return after(open)
}

function after(open: readonly ('{' | '[')[]): State {
  return open.length === 0 ? 'end' : 'next'
}
