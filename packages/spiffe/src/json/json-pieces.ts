import { SpiffeError } from '../errors.ts'
import type { ShapeObserver } from './scan.ts'

/** A part of the text, without its end. */
export interface Span {
  readonly start: number
  readonly end: number
}

/** One member of the outermost object. */
export interface MemberPiece extends Span {
  /** The first list in it, if it begins one level below. */
  readonly list: ListPiece | undefined
}

/** A list, and what is between its commas. */
export interface ListPiece extends Span {
  readonly items: readonly Span[]
}

/** Finds where the members of the outermost object begin and end, and in them the items of lists. */
export class JsonPieces implements ShapeObserver {
  readonly #maxPieces: number
  readonly #members: MemberPiece[] = []
  #pieces = 0
  #start = -1
  #end = -1
  #memberStart = -1
  #list: { readonly start: number; end: number; readonly items: Span[] } | undefined
  #itemStart = -1

  constructor(maxPieces: number) {
    this.#maxPieces = maxPieces
  }

  /** Where the brackets of the outermost object are; -1 if there is none. */
  get start(): number {
    return this.#start
  }

  get end(): number {
    return this.#end
  }

  get members(): readonly MemberPiece[] {
    return this.#members
  }

  open(index: number, depth: number): void {
    if (depth === 1 && this.#start === -1) {
      this.#start = index
      this.#memberStart = index + 1
    } else if (depth === 2 && this.#list === undefined && this.#isOpen) {
      this.#list = { start: index, end: -1, items: [] }
      this.#itemStart = index + 1
    }
  }

  comma(index: number, depth: number): void {
    if (depth === 1 && this.#isOpen) this.#endMember(index)
    else if (depth === 2 && this.#list?.end === -1) this.#endItem(this.#list.items, index)
  }

  close(index: number, depth: number): void {
    if (depth === 2 && this.#list?.end === -1) {
      this.#endItem(this.#list.items, index)
      this.#list.end = index
    } else if (depth === 1 && this.#isOpen) {
      this.#endMember(index)
      this.#end = index
    }
  }

  get #isOpen(): boolean {
    return this.#start !== -1 && this.#end === -1
  }

  #endMember(end: number): void {
    this.#count()
    this.#members.push({ start: this.#memberStart, end, list: this.#list })
    this.#memberStart = end + 1
    this.#list = undefined
  }

  #endItem(items: Span[], end: number): void {
    this.#count()
    items.push({ start: this.#itemStart, end })
    this.#itemStart = end + 1
  }

  #count(): void {
    this.#pieces++
    if (this.#pieces <= this.#maxPieces) return
    throw new SpiffeError('invalid-json', `it has more than ${this.#maxPieces} members and items`)
  }
}
