import type { Explanation } from '../disagreement.ts'
import {
  allOf,
  anchorIs,
  anyOf,
  caIs,
  hasSeveralCandidates,
  leafIs,
  somethingIs,
  trustIs,
} from '../predicates.ts'

const constrainsDirectoryNames = somethingIs(
  'permits the country',
  'permits another country',
  'excludes the country',
  'excludes another country',
)

const SOURCE = 'RFC 5280 §4.2.1.10'

/** Constraints of names. */
export const nameConstraints: readonly Explanation[] = [
  {
    title: 'a constraint of directory names',
    judges: ['go-spiffe'],
    refuses: 'theirs',
    codes: ['UnhandledCriticalExtension', 'UnknownAuthority', 'Expired'],
    when: (chain, code) =>
      constrainsDirectoryNames(chain) &&
      (code === 'UnhandledCriticalExtension' || hasSeveralCandidates(chain)),
    rule: SOURCE,
    right: 'ours',
    why: 'Go does not support them, and refuses them as critical. Ours and OpenSSL hold the subjects against them.',
  },
  {
    title: 'a constraint of directory names that is not critical',
    judges: ['go-spiffe'],
    refuses: 'ours',
    codes: ['name-constraints'],
    when: allOf(
      caIs('permits another country', 'excludes the country'),
      caIs('constraints not critical'),
    ),
    rule: SOURCE,
    right: 'ours',
    why: 'Go passes over what it does not support. A constraint that is understood applies, critical or not.',
  },
  {
    title: 'malformed constraints that nothing depends on',
    judges: ['go-spiffe'],
    refuses: 'theirs',
    codes: ['unreadable', 'unreadable-authority'],
    when: anyOf(
      leafIs('permits a network with a broken mask'),
      allOf(
        trustIs('the nearest CA', 'the nearest CA, and the anchor'),
        caIs('permits a network with a broken mask'),
      ),
    ),
    rule: SOURCE,
    right: 'either',
    why: 'They have no meaning in a leaf, which certifies nobody, and beside the path. Go reads them anyway.',
  },
  {
    title: 'a CA with constraints that are malformed',
    judges: ['openssl', 'pkijs'],
    refuses: 'ours',
    codes: ['name-constraints'],
    when: caIs('permits a network with a broken mask'),
    rule: `${SOURCE}; RFC 4632 §3.1`,
    right: 'ours',
    why: 'The mask of a network is a prefix. They take any bits for a mask, if there is an address to hold against it at all.',
  },
  {
    title: 'a malformed constraint beside one that permits the host',
    judges: ['openssl', 'pkijs', 'go-spiffe'],
    refuses: 'ours',
    codes: ['name-constraints'],
    when: allOf(
      caIs('permits a URI in full', 'permits every host'),
      caIs(
        'permits the host',
        'permits the host in capitals',
        'permits two hosts',
        'permits org',
        'permits what is below org',
      ),
    ),
    rule: SOURCE,
    right: 'either',
    why: 'A constraint of URIs is a host. Ours refuses constraints of which one cannot be understood; for them it matches nothing.',
  },
  {
    title: 'a host that is permitted without its subdomains',
    judges: ['go-spiffe'],
    refuses: 'ours',
    codes: ['name-constraints'],
    when: caIs('permits org'),
    rule: SOURCE,
    right: 'ours',
    why: 'For URIs a constraint without a leading period is one host. Go takes it for the hosts below it too, as for DNS names.',
  },
  {
    title: 'every host is permitted',
    judges: ['go-spiffe'],
    refuses: 'ours',
    codes: ['name-constraints'],
    when: caIs('permits every host'),
    rule: SOURCE,
    right: 'either',
    why: 'What an empty constraint of URIs means is left open. For Go it is every host, as the empty one of DNS names, for OpenSSL and pkijs none; ours refuses what cannot be understood.',
  },
  {
    title: 'every host is excluded',
    judges: ['openssl', 'pkijs'],
    refuses: 'ours',
    codes: ['name-constraints'],
    when: caIs('excludes every host'),
    rule: SOURCE,
    right: 'ours',
    why: 'As above: for them it excludes nothing, which cannot be what its issuer meant.',
  },
  {
    title: 'every DNS name is permitted',
    judges: ['pkijs'],
    refuses: 'theirs',
    codes: ['41'],
    when: caIs('permits every DNS name'),
    rule: SOURCE,
    right: 'ours',
    why: 'Any name can be made from the empty one by adding labels on the left. For pkijs none can.',
  },
  {
    title: 'constraints of the anchor',
    judges: ['pkijs'],
    refuses: 'ours',
    codes: ['name-constraints'],
    when: anyOf(
      anchorIs(
        'permits another host',
        'permits what is below the host',
        'permits org',
        'permits the end of the host',
        'permits a URI in full',
        'permits every host',
        'excludes the host',
        'excludes the host in capitals',
        'excludes what is below org',
        'permits another country',
        'excludes the country',
      ),
      allOf(
        anchorIs(
          'permits DNS names of the host',
          'permits other DNS names',
          'excludes DNS names of the host',
          'excludes every DNS name',
        ),
        somethingIs('a DNS name', 'two DNS names', 'a wildcard DNS name', 'an empty DNS name'),
      ),
      allOf(
        anchorIs('permits another network', 'permits no IP address', 'excludes the network'),
        somethingIs('an IP address'),
      ),
    ),
    rule: 'X509-SVID §5; RFC 5280 §6.1.1 d, RFC 5937',
    right: 'ours',
    why: 'Ours, OpenSSL and Go apply them; the RFC lets an anchor be no more than a name and a key, as pkijs has it.',
  },
]
