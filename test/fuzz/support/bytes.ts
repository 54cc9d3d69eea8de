import * as fc from 'fast-check'
import { edited, edits, type Edit } from './mutation.ts'
import { treeEdits, withTreeEdits, type Format, type TreeEdit } from './tree.ts'

/** A good sequence of bytes, and how it is spoilt. */
export interface Mutation {
  readonly base: number
  readonly changes: readonly Edit[] | null
  readonly treeChanges: readonly TreeEdit[] | null
}

/** Changes of bytes, or of elements. */
export const mutations: fc.Arbitrary<Mutation> = fc.oneof(
  fc.record({ base: fc.nat(1_000), changes: edits, treeChanges: fc.constant(null) }),
  fc.record({ base: fc.nat(1_000), changes: fc.constant(null), treeChanges: treeEdits }),
)

export function mutated(bytes: Uint8Array, format: Format, mutation: Mutation): Buffer {
  const { changes, treeChanges } = mutation
  if (changes !== null) return edited(bytes, changes)
  return withTreeEdits(format, bytes, treeChanges ?? [])
}

/** Mutations of one of the `bases`. */
export function mutatedBytes(
  bases: readonly Uint8Array[],
  format: Format,
): fc.Arbitrary<Uint8Array> {
  return mutations.map((mutation) =>
    mutated(bases[mutation.base % bases.length]!, format, mutation),
  )
}

/** As mutated bytes, and some that are wholly random. */
export function mutatedOrRandom(
  bases: readonly Uint8Array[],
  format: Format,
): fc.Arbitrary<Uint8Array> {
  return fc.oneof(
    { weight: 9, arbitrary: mutatedBytes(bases, format) },
    { weight: 1, arbitrary: fc.uint8Array({ maxLength: 200 }) },
  )
}
