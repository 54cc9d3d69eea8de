import type { Explanation } from '../disagreement.ts'
import {
  allOf,
  anyOf,
  caIs,
  hasSeveralCandidates,
  sentIs,
  somethingIs,
  trustIs,
} from '../predicates.ts'

const hasExpiredTwin = anyOf(
  trustIs(
    'an expired certificate of the anchor, and a new one',
    'a new certificate of the anchor, and an expired one',
  ),
  sentIs(
    'an expired certificate of the nearest CA first',
    'an expired certificate of the nearest CA last',
  ),
)

/** How a path is looked for where there are several. */
export const pathSearch: readonly Explanation[] = [
  {
    title: 'an issuer that is not the first one to try',
    judges: ['openssl'],
    refuses: 'theirs',
    codes: ['2', '7', '18', '19', '20', '21'],
    when: anyOf(
      sentIs('a look-alike without key ids first', 'a cross-certificate first'),
      trustIs('a namesake without key ids, and the anchor'),
      allOf(hasSeveralCandidates, somethingIs('no AKI', 'an empty AKI', 'no SKI')),
    ),
    rule: 'RFC 4158 §2.4, §3.5',
    right: 'ours',
    why: 'OpenSSL follows the first issuer of the right name and does not go back.',
  },
  {
    title: 'key identifiers that do not match',
    judges: ['openssl', 'pkijs'],
    refuses: 'theirs',
    codes: ['19', '20', '97', '-1'],
    when: somethingIs('a wrong AKI', 'an AKI of serial number', 'a wrong SKI'),
    rule: 'RFC 5280 §4.2.1.1',
    right: 'ours',
    why: 'They help to choose an issuer and are no part of the validation of §6.1: the name and the signature decide.',
  },
  {
    title: 'a way that ends beside one that leads to an anchor',
    judges: ['pkijs'],
    refuses: 'theirs',
    codes: ['-1'],
    when: sentIs('a cross-certificate first', 'a cross-certificate last'),
    rule: 'RFC 4158 §2.4',
    right: 'ours',
    why: 'pkijs gives up when one of the ways ends.',
  },
  {
    title: 'two certificates of one CA, of which one has expired',
    judges: ['pkijs'],
    refuses: 'theirs',
    codes: ['8'],
    when: hasExpiredTwin,
    rule: 'RFC 4158 §2.4',
    right: 'ours',
    why: 'pkijs chooses one path and validates no other.',
  },
  {
    title: 'several certificates of one CA, each refused by ours for a reason of its own',
    judges: ['openssl', 'pkijs', 'go-spiffe'],
    refuses: 'ours',
    codes: ['expired', 'bad-signature', 'no-path'],
    when: allOf(
      hasSeveralCandidates,
      caIs(
        'an ID with a path',
        'an invalid ID',
        'two IDs',
        'an ID of another domain',
        'no key usage',
        'key usage for nothing',
        'for servers, critical',
        'for clients, critical',
        'for code, critical',
        'an explicit policy required',
        'an RSA key of 1024 bits',
        'permits org',
        'permits what is below the host',
        'path length 0',
        'path length 1',
      ),
    ),
    rule: 'as for the certificate that the others accept',
    right: 'ours',
    why: 'One of the reasons is given, and that is not the one on which they differ.',
  },
  {
    title: 'authorities that certify one another',
    judges: ['pkijs'],
    refuses: 'theirs',
    codes: ['endless'],
    when: sentIs('a loop first', 'a loop last'),
    rule: 'RFC 4158 §5.2',
    right: 'ours',
    why: 'The search of pkijs goes round in circles and is stopped here.',
  },
]
