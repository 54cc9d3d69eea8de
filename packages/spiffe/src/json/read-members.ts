import { SpiffeError } from '../errors.ts'
import type { Steps } from '../steps.ts'
import { invalidJson } from './invalid-json.ts'
import { isJsonObject } from './json-object.ts'
import { JsonPieces, type MemberPiece, type Span } from './json-pieces.ts'
import { Scan } from './scan.ts'
import { syntaxFaultAt } from './syntax-fault.ts'

/** The bounds of an object that is read in steps. */
export interface MemberBounds {
  readonly maxDepth: number
  /** The members, and the items of lists that are members. */
  readonly maxPieces: number
  /** Of one of these without the items of its list, in UTF-16 code units: what one step reads. */
  readonly maxPieceLength: number
}

/** One member of an object. */
export interface JsonMember {
  readonly value: unknown
  /** An object with this member alone; of a list it has no items. It shows digits that a number of JavaScript loses. */
  readonly text: string
}

/** UTF-16 code units that are scanned in one step: less than a millisecond. */
const SCANNED = 32 * 1024
const BLANK = /^[ \t\n\r]*$/

/**
 * Reads a JSON object as `parseJson` does, in steps: the items of lists in it and all other members, each by itself.
 * @throws {@link SpiffeError} `invalid-json`
 */
export function* readMembers(
  text: string,
  bounds: MemberBounds,
): Steps<ReadonlyMap<string, JsonMember>> {
  const { maxDepth, maxPieces, maxPieceLength } = bounds
  const pieces = new JsonPieces(maxPieces)
  const scanned = { maxDepth, hidesKeys: false, maxTokenLength: maxPieceLength }
  const scan = new Scan(text, scanned, pieces)
  for (let end = SCANNED; advance(scan, Math.min(end, text.length)); end += SCANNED) yield
  assertOneObject(text, pieces)
  const members = new Map<string, JsonMember>()
  for (const piece of pieces.members) {
    const read = yield* readMember(text, piece, maxPieceLength)
    if (read !== undefined) members.set(read.key, read)
    else if (pieces.members.length > 1) throw notJson(text, piece.end)
    yield
  }
  return members
}

function advance(scan: Scan, end: number): boolean {
  try {
    return scan.advance(end)
  } catch (error) {
    if (error instanceof SpiffeError) throw error
    throw new SpiffeError('invalid-json', 'a key is not a JSON string')
  }
}

function assertOneObject(text: string, { start, end }: JsonPieces): void {
  if (start === -1 || text[start] !== '{') throw invalidJson(text, 0, 'this is not a JSON object')
  if (end === -1) throw notJson(text, text.length)
  if (text[end] !== '}') throw notJson(text, end)
  if (!BLANK.test(text.slice(0, start))) throw notJson(text, 0)
  if (!BLANK.test(text.slice(end + 1))) throw notJson(text, end + 1)
}

/** `undefined` for what is blank. */
function* readMember(
  text: string,
  piece: MemberPiece,
  maxLength: number,
): Steps<(JsonMember & { readonly key: string }) | undefined> {
  const list = piece.list !== undefined && text[piece.list.start] === '[' ? piece.list : undefined
  // Without what is between the brackets, which is read apart.
  const glue =
    list === undefined
      ? text.slice(piece.start, piece.end)
      : text.slice(piece.start, list.start + 1) + text.slice(list.end, piece.end)
  assertShort(text, piece, glue.length, maxLength)
  const alone = `{${glue}}`
  const parsed = parsePiece(text, alone, piece.start - 1)
  const [entry, ...others] = isJsonObject(parsed) ? Object.entries(parsed) : []
  if (others.length > 0) throw notJson(text, piece.start)
  if (entry === undefined) return undefined
  const [key, value] = entry
  if (list === undefined) return { key, value, text: alone }
  return { key, value: yield* readItems(text, list.items, maxLength), text: alone }
}

function* readItems(
  text: string,
  items: readonly Span[],
  maxLength: number,
): Steps<readonly unknown[]> {
  const values: unknown[] = []
  for (const item of items) {
    assertShort(text, item, item.end - item.start, maxLength)
    const raw = text.slice(item.start, item.end)
    // Of a list without commas, nothing may be between the brackets.
    const read = items.length === 1 ? parsePiece(text, `[${raw}]`, item.start - 1) : undefined
    if (Array.isArray(read)) values.push(...(read as unknown[]))
    else values.push(parsePiece(text, raw, item.start))
    yield
  }
  return values
}

function parsePiece(text: string, piece: string, start: number): unknown {
  try {
    return JSON.parse(piece)
  } catch {
    throw notJson(text, Math.max(0, start + syntaxFaultAt(piece)))
  }
}

function assertShort(text: string, { start }: Span, length: number, maxLength: number): void {
  if (length <= maxLength) return
  throw invalidJson(text, start, `a key or another member is longer than ${maxLength} characters`)
}

function notJson(text: string, index: number): Error {
  return invalidJson(text, index, 'this is not JSON')
}
