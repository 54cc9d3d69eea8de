import type { GeneralName, TextForm } from '../x509/general-name.ts'
import { isHost, isMailbox, withLowerCaseHost } from '../x509/subtree-base.ts'

const AUTHORITY = /^[a-z][a-z0-9+.-]*:\/\/([^/?#]*)/i

/**
 * What of a name is held against subtrees: of a URI its host, and hosts in lower case; `undefined`
 * when it cannot be held against any of its kind.
 */
export function comparable(name: GeneralName): GeneralName | undefined {
  if (name.form === 'uri') {
    // RFC 5280 §4.2.1.10: a URI without a host by name is refused.
    const text = hostOf(name.text)
    return isHost(text) ? withLowerCaseHost({ form: 'uri', text }) : undefined
  }
  if (name.form === 'dns') return isHostOrWildcard(name.text) ? withLowerCaseHost(name) : undefined
  if (name.form === 'email') return isMailbox(name.text) ? withLowerCaseHost(name) : undefined
  return name
}

function isHostOrWildcard(text: string): boolean {
  return isHost(text.replace(/^\*\./, ''))
}

const TEXT_RULES: Readonly<Record<TextForm, (base: string, text: string) => boolean>> = {
  uri: isHostOf,
  dns: isDomainOf,
  email: isMailboxOf,
}

/** The host of a URI, without user and port; empty when it has none. */
function hostOf(uri: string): string {
  const authority = AUTHORITY.exec(uri)?.[1] ?? ''
  return authority.slice(authority.lastIndexOf('@') + 1).replace(/:[0-9]*$/, '')
}

/** Whether a {@link comparable} name lies in the subtree of `base` (RFC 5280 §4.2.1.10). */
export function isWithin(base: GeneralName, name: GeneralName): boolean {
  if ('text' in base && 'text' in name) {
    return base.form === name.form && TEXT_RULES[base.form](base.text, name.text)
  }
  if (base.form === 'ip' && name.form === 'ip') return isAddressOf(base.octets, name.octets)
  // The key of a name is a prefix of another's where its list of relative names is.
  if (base.form === 'directory' && name.form === 'directory') {
    return name.name.key.startsWith(base.name.key)
  }
  return false
}

/** {@link isWithin}, or a wildcard stands for a name that is. */
export function touches(base: GeneralName, name: GeneralName): boolean {
  if (isWithin(base, name)) return true
  if (base.form !== 'dns' || name.form !== 'dns' || !name.text.startsWith('*.')) return false
  return base.text.slice(base.text.indexOf('.')) === name.text.slice(1)
}

/** That host; with a leading period the hosts below it; all when empty, which for URIs it never is. */
function isHostOf(base: string, host: string): boolean {
  return base === '' || host === base || isBelow(base, host)
}

/** For DNS names: that host and those below it; with a leading period, as is usual, those below alone. */
function isDomainOf(base: string, host: string): boolean {
  return isHostOf(base, host) || isBelow(`.${base}`, host)
}

function isBelow(suffix: string, host: string): boolean {
  return suffix.startsWith('.') && host.length > suffix.length && host.endsWith(suffix)
}

/** One mailbox, its local part octet for octet; or all of a host, or of the hosts below a domain. */
function isMailboxOf(base: string, mailbox: string): boolean {
  if (base.includes('@')) return mailbox === base
  return isHostOf(base, mailbox.slice(mailbox.lastIndexOf('@') + 1))
}

/** RFC 4632: the same bits where the mask has ones. */
function isAddressOf(network: Uint8Array, address: Uint8Array): boolean {
  const { length } = address
  if (network.length !== 2 * length) return false
  return address.every((octet, index) => {
    const mask = network[length + index]!
    return (octet & mask) === (network[index]! & mask)
  })
}
