import type { KeyType } from '@fastify-spiffe/authority'

/**
 * A chain in a few words: what it is made of, in which way it is not the usual one, and what it is held against.
 * The usual one is good.
 */
export interface ChainDescription {
  /** How many CAs stand between the leaf and the anchor. */
  readonly intermediates: number
  /** Of all keys, where a change does not say otherwise. */
  readonly keyType: KeyType
  /** A word of `identities`. */
  readonly identity: string
  /** A word of `trusts`. */
  readonly trust: string
  /** A word of `sents`. */
  readonly sent: string
  readonly changes: readonly Change[]
}

/**
 * The certificate that a change is made to. `issuer` is the CA that signs the leaf, `upper` the one below the anchor:
 * without intermediates both are the anchor.
 */
export type Place = 'leaf' | 'issuer' | 'upper' | 'anchor'

export const PLACES: readonly Place[] = ['leaf', 'issuer', 'upper', 'anchor']

export interface Change {
  readonly at: Place
  /** A word of `changes`. */
  readonly is: string
}

export const GOOD: ChainDescription = {
  intermediates: 1,
  keyType: 'ec-p256',
  identity: 'one ID',
  trust: 'the anchor',
  sent: 'as it should be',
  changes: [],
}

/** Where in the path a place is: 0 is the leaf, the last one is the anchor. */
export function positionOf(place: Place, intermediates: number): number {
  const anchor = intermediates + 1
  const positions = { leaf: 0, issuer: 1, upper: Math.max(1, anchor - 1), anchor }
  return positions[place]
}

/** The changes that are made to the certificate at that position of the path. */
export function changesAt(
  { changes, intermediates }: ChainDescription,
  position: number,
): readonly string[] {
  const here = changes.filter(({ at }) => positionOf(at, intermediates) === position)
  return [...new Set(here.map(({ is }) => is))]
}
