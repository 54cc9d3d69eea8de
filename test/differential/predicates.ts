import type { ChangeName } from './changes.ts'
import { positionOf, type ChainDescription } from './description.ts'
import type { IdentityName } from './identities.ts'
import type { SentName } from './sent.ts'
import type { TrustName } from './trust.ts'

type Predicate = (chain: ChainDescription) => boolean

/** What is sent in the place of the leaf has one of these changes. */
export const leafIs =
  (...names: readonly ChangeName[]): Predicate =>
  ({ changes, intermediates, sent }) => {
    const first = sent === 'the leaf last' && intermediates > 0 ? 1 : 0
    return changes.some(
      ({ at, is }) => positionOf(at, intermediates) === first && names.includes(is),
    )
  }

/** A CA of the path has one of these changes. */
export const caIs =
  (...names: readonly ChangeName[]): Predicate =>
  ({ changes }) =>
    changes.some(({ at, is }) => at !== 'leaf' && names.includes(is))

/** A CA of the path that is in the bundle has one of these changes. */
export const anchorIs =
  (...names: readonly ChangeName[]): Predicate =>
  ({ changes, intermediates, trust }) => {
    const isAnchor = (position: number): boolean =>
      position === intermediates + 1 || (position === 1 && trust.startsWith('the nearest CA'))
    return changes.some(
      ({ at, is }) => isAnchor(positionOf(at, intermediates)) && names.includes(is),
    )
  }

/** Any certificate of the path has one of these changes. */
export const somethingIs =
  (...names: readonly ChangeName[]): Predicate =>
  ({ changes }) =>
    changes.some(({ is }) => names.includes(is))

export const identityIs =
  (...names: readonly IdentityName[]): Predicate =>
  ({ identity }) =>
    names.includes(identity)

export const trustIs =
  (...names: readonly TrustName[]): Predicate =>
  ({ trust }) =>
    names.includes(trust)

export const sentIs =
  (...names: readonly SentName[]): Predicate =>
  ({ sent }) =>
    names.includes(sent)

export const anyOf =
  (...predicates: readonly Predicate[]): Predicate =>
  (chain) =>
    predicates.some((predicate) => predicate(chain))

export const allOf =
  (...predicates: readonly Predicate[]): Predicate =>
  (chain) =>
    predicates.every((predicate) => predicate(chain))

/** There are several certificates for the name of one CA. */
export const hasSeveralCandidates: Predicate = anyOf(
  somethingIs('the name of its issuer'),
  trustIs(
    'a namesake, and the anchor',
    'the anchor, and a namesake',
    'a namesake without key ids, and the anchor',
    'an expired certificate of the anchor, and a new one',
    'a new certificate of the anchor, and an expired one',
  ),
  sentIs(
    'a look-alike first',
    'a look-alike last',
    'a look-alike without key ids first',
    'look-alikes up to the limit first',
    'a cross-certificate first',
    'a cross-certificate last',
    'an expired certificate of the nearest CA first',
    'an expired certificate of the nearest CA last',
    'a loop first',
    'a loop last',
  ),
)
