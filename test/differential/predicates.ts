import { changes as changeVocabulary } from './changes.ts'
import { positionOf, type Change, type ChainDescription } from './description.ts'
import { identities } from './identities.ts'
import { sents } from './sent.ts'
import { trusts } from './trust.ts'

type Predicate = (chain: ChainDescription) => boolean

/** A change is one of those that are named, and of a place that is asked for. */
function changed(
  names: readonly string[],
  isThere: (change: Change, chain: ChainDescription) => boolean,
): Predicate {
  const wanted = changeVocabulary.checked(names)
  return (chain) => chain.changes.some((change) => wanted.has(change.is) && isThere(change, chain))
}

/** What is sent in the place of the leaf has one of these changes. */
export function leafIs(...names: readonly string[]): Predicate {
  return changed(names, ({ at }, { intermediates, sent }) => {
    const first = sent === 'the leaf last' && intermediates > 0 ? 1 : 0
    return positionOf(at, intermediates) === first
  })
}

/** A CA of the path has one of these changes. */
export function caIs(...names: readonly string[]): Predicate {
  return changed(names, ({ at }) => at !== 'leaf')
}

/** A CA of the path that is in the bundle has one of these changes. */
export function anchorIs(...names: readonly string[]): Predicate {
  return changed(names, ({ at }, { intermediates, trust }) => {
    const position = positionOf(at, intermediates)
    return position === intermediates + 1 || (position === 1 && trust.startsWith('the nearest CA'))
  })
}

/** Any certificate of the path has one of these changes. */
export function somethingIs(...names: readonly string[]): Predicate {
  return changed(names, () => true)
}

export function identityIs(...names: readonly string[]): Predicate {
  const wanted = identities.checked(names)
  return ({ identity }) => wanted.has(identity)
}

export function trustIs(...names: readonly string[]): Predicate {
  const wanted = trusts.checked(names)
  return ({ trust }) => wanted.has(trust)
}

export function sentIs(...names: readonly string[]): Predicate {
  const wanted = sents.checked(names)
  return ({ sent }) => wanted.has(sent)
}

export function anyOf(...predicates: readonly Predicate[]): Predicate {
  return (chain) => predicates.some((predicate) => predicate(chain))
}

export function allOf(...predicates: readonly Predicate[]): Predicate {
  return (chain) => predicates.every((predicate) => predicate(chain))
}

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
    'forty look-alikes first',
    'forty look-alikes last',
    'a cross-certificate first',
    'a cross-certificate last',
    'an expired certificate of the nearest CA first',
    'an expired certificate of the nearest CA last',
    'a loop first',
    'a loop last',
  ),
)
