import { country, der } from './der.ts'
import type { Draft } from './draft.ts'
import { HOME } from './identities.ts'

type Edit = (draft: Draft) => Draft

// GeneralName of RFC 5280 §4.2.1.6.
const email = (name: string): Buffer => der(0x81, name)
const dns = (name: string): Buffer => der(0x82, name)
const directory = (name: Buffer): Buffer => der(0xa4, name)
const uri = (host: string): Buffer => der(0x86, host)
const ip = (...addressAndMask: readonly number[]): Buffer => der(0x87, Buffer.from(addressAndMask))

const permits =
  (...names: readonly Buffer[]): Edit =>
  (draft) => {
    const permitted = [...draft.constraints.permitted, ...names]
    return { ...draft, constraints: { ...draft.constraints, permitted } }
  }

const excludes =
  (...names: readonly Buffer[]): Edit =>
  (draft) => {
    const excluded = [...draft.constraints.excluded, ...names]
    return { ...draft, constraints: { ...draft.constraints, excluded } }
  }

/** Name constraints (RFC 5280 §4.2.1.10): critical, and several of one certificate add up. */
export const constraintChanges: Readonly<Record<string, Edit>> = {
  'permits the host': permits(uri(HOME)),
  'permits the host in capitals': permits(uri(HOME.toUpperCase())),
  'permits two hosts': permits(uri('elsewhere.test'), uri(HOME)),
  'permits another host': permits(uri('elsewhere.test')),
  'permits what is below the host': permits(uri(`.${HOME}`)),
  'permits what is below org': permits(uri('.org')),
  'permits org': permits(uri('org')),
  'permits the end of the host': permits(uri('ple.org')),
  'permits every host': permits(uri('')),
  'permits a URI in full': permits(uri(`spiffe://${HOME}`)),
  'excludes the host': excludes(uri(HOME)),
  'excludes the host in capitals': excludes(uri(HOME.toUpperCase())),
  'excludes another host': excludes(uri('elsewhere.test')),
  'excludes what is below the host': excludes(uri(`.${HOME}`)),
  'excludes what is below org': excludes(uri('.org')),
  'excludes every host': excludes(uri('')),
  'permits DNS names of the host': permits(dns(HOME)),
  'permits other DNS names': permits(dns('elsewhere.test')),
  'permits every DNS name': permits(dns('')),
  'excludes DNS names of the host': excludes(dns(HOME)),
  'excludes other DNS names': excludes(dns('elsewhere.test')),
  'excludes every DNS name': excludes(dns('')),
  'permits the network': permits(ip(10, 0, 0, 0, 255, 0, 0, 0)),
  'permits another network': permits(ip(192, 168, 0, 0, 255, 255, 0, 0)),
  'permits no IP address': excludes(ip(0, 0, 0, 0, 0, 0, 0, 0)),
  'excludes the network': excludes(ip(10, 0, 0, 0, 255, 0, 0, 0)),
  'permits a network with a broken mask': permits(ip(10, 0, 0, 0, 255, 0, 255, 0)),
  'permits the country': permits(directory(country('US'))),
  'permits another country': permits(directory(country('DE'))),
  'excludes the country': excludes(directory(country('US'))),
  'excludes another country': excludes(directory(country('DE'))),
  'permits e-mail of the host': permits(email(HOME)),
  'excludes e-mail of the host': excludes(email(HOME)),
  'constraints not critical': (draft) => ({
    ...draft,
    constraints: { ...draft.constraints, critical: false },
  }),
}
