import { Vocabulary } from './vocabulary.ts'

/** The trust domain of every path, and one that is federated with it. */
export const HOME = 'example.org'
export const FEDERATED = 'other.test'

const ID = `spiffe://${HOME}/web`
const long = (length: number): string => ID.padEnd(length, 'a')

/** The URI names of a leaf. */
export const identities: Vocabulary<readonly string[]> = new Vocabulary<readonly string[]>({
  'one ID': [ID],
  'an ID of 2048 octets': [long(2048)],
  'no URI': [],
  'two IDs': [ID, `spiffe://${HOME}/api`],
  'the same ID twice': [ID, ID],
  'an ID and an https URI': [ID, `https://${HOME}/web`],
  'an https URI': [`https://${HOME}/web`],
  'an ID of 2049 octets': [long(2049)],
  'the ID of the trust domain': [`spiffe://${HOME}`],
  'a trailing slash': [`${ID}/`],
  'an empty path': [`spiffe://${HOME}/`],
  'an empty segment': [`spiffe://${HOME}//web`],
  'a dot segment': [`spiffe://${HOME}/../web`],
  'a query': [`${ID}?`],
  'a fragment': [`${ID}#f`],
  'an empty fragment': [`${ID}#`],
  'a port': [`spiffe://${HOME}:8443/web`],
  'a user': [`spiffe://me@${HOME}/web`],
  'an upper-case scheme': [`SPIFFE://${HOME}/web`],
  'an upper-case trust domain': [`spiffe://Example.org/web`],
  'percent-encoding': [`spiffe://${HOME}/w%65b`],
  'an octet above 127': [`spiffe://${HOME}/w\u{e9}b`],
  'a space': [`spiffe://${HOME}/my web`],
  'a line feed': [`${ID}\n`],
  'a zero octet': [`${ID}\0`],
  'an empty URI': [''],
  'an ID of a federated trust domain': [`spiffe://${FEDERATED}/web`],
  'an ID of an unknown trust domain': ['spiffe://unknown.test/web'],
  'an ID of a subdomain': [`spiffe://sub.${HOME}/web`],
})
