import type { Explanation } from '../disagreement.ts'
import { anchorIs, somethingIs } from '../predicates.ts'

/** What brings policies into play. */
const POLICY_CHANGES = [
  'policy A',
  'policies A and B',
  'policies',
  'critical policies',
  'policy A is policy B',
  'an explicit policy required',
  'an explicit policy required below',
  'no policies mapped',
  'no anyPolicy',
] as const

/** Path lengths of any size, and certificate policies. */
export const numbersAndPolicies: readonly Explanation[] = [
  {
    title: 'a path length above 2^63',
    judges: ['go-spiffe'],
    refuses: 'theirs',
    codes: ['unreadable', 'unreadable-authority'],
    when: somethingIs('path length 2^64'),
    rule: 'RFC 5280 §4.2.1.9',
    right: 'ours',
    why: 'INTEGER (0..MAX) has no upper end. Go reads it into 64 bits.',
  },
  {
    title: 'a negative path length',
    judges: ['pkijs'],
    refuses: 'ours',
    codes: ['malformed', 'invalid-bundle'],
    when: somethingIs('a negative path length'),
    rule: 'RFC 5280 §4.2.1.9',
    right: 'ours',
    why: 'INTEGER (0..MAX) begins at zero. pkijs does not look.',
  },
  {
    title: 'policies that an anchor requires, or restricts',
    judges: ['openssl', 'pkijs', 'go-spiffe'],
    refuses: 'ours',
    codes: ['no-valid-policy'],
    when: anchorIs(...POLICY_CHANGES),
    rule: 'RFC 5280 §6.1.1 d, §6.2',
    right: 'either',
    why: 'What an anchor says may be processed. Ours does, as with its other constraints; the others take its name and key alone.',
  },
  {
    title: 'policies that are written in a way that is not allowed',
    judges: ['openssl', 'pkijs', 'go-spiffe'],
    refuses: 'ours',
    codes: ['malformed', 'invalid-bundle'],
    when: somethingIs('a policy twice', 'any policy is policy B', 'empty policy constraints'),
    rule: 'RFC 5280 §4.2.1.4, §4.2.1.5, §4.2.1.11',
    right: 'ours',
    why: 'They look at policies of the path only, at some forms only where a policy is required, or not at all.',
  },
  {
    title: 'a policy that the leaf requires, or that is required after one more certificate',
    judges: ['pkijs'],
    refuses: 'ours',
    codes: ['no-valid-policy'],
    when: somethingIs('an explicit policy required', 'an explicit policy required below'),
    rule: 'RFC 5280 §6.1.5 a–b',
    right: 'ours',
    why: 'The leaf counts, and what it requires at once too. pkijs leaves out the last steps.',
  },
  {
    title: 'a mapping of a policy that is not asserted',
    judges: ['pkijs'],
    refuses: 'theirs',
    codes: ['-1'],
    when: somethingIs('policy A is policy B'),
    rule: 'RFC 5280 §6.1.4 b',
    right: 'ours',
    why: 'There is nothing to map then. pkijs throws.',
  },
]
