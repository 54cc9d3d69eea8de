import { quote } from '../id/quote.ts'
import type { GeneralName } from './general-name.ts'

/** Labels that are not empty; an underscore is legal in a trust domain. */
const HOST = /^[a-z0-9_-]+(?:\.[a-z0-9_-]+)*$/i
const MAX_HOST_LENGTH = 255
const IPV4 = /^\d+\.\d+\.\d+\.\d+$/

/** Octets of an address and its mask: IPv4, IPv6. */
const ADDRESS_AND_MASK_OCTETS: ReadonlySet<number> = new Set([8, 32])

/**
 * RFC 5280 §4.2.1.10: whether `text` is a host by its full name. An address is none, hence neither is
 * a trust domain that looks like one.
 */
export function isHost(text: string): boolean {
  return text.length <= MAX_HOST_LENGTH && HOST.test(text) && !IPV4.test(text)
}

/** `name` with its host in lower case, which is how hosts are compared (RFC 5280 §7.2 to §7.5). */
export function withLowerCaseHost(name: GeneralName): GeneralName {
  if (!('text' in name)) return name
  const host = name.form === 'email' ? name.text.lastIndexOf('@') + 1 : 0
  const text = name.text.slice(0, host) + name.text.slice(host).toLowerCase()
  return Object.freeze({ form: name.form, text })
}

/** Why `base` limits names to nothing that is known; `undefined` when it is well formed. */
export function subtreeFault(base: GeneralName): string | undefined {
  if (base.form === 'uri' || base.form === 'dns') {
    return isDomain(base.text) ? undefined : `${quote(base.text)} is not a host`
  }
  if (base.form === 'email') {
    const isKnown = isDomain(base.text) || isMailbox(base.text)
    return isKnown ? undefined : `${quote(base.text)} is neither a mailbox nor a host`
  }
  if (base.form === 'ip' && !isNetwork(base.octets))
    return 'an address has no mask that is a prefix'
  return undefined
}

/** Something in front of the last `@`, and a host behind it. */
export function isMailbox(text: string): boolean {
  const at = text.lastIndexOf('@')
  return at > 0 && isHost(text.slice(at + 1))
}

/** A host; with a leading period, the hosts below it; empty, all hosts. */
function isDomain(text: string): boolean {
  return text === '' || isHost(text.startsWith('.') ? text.slice(1) : text)
}

/** RFC 4632 §3.1: the mask is ones, then zeros. */
function isNetwork(octets: Uint8Array): boolean {
  if (!ADDRESS_AND_MASK_OCTETS.has(octets.length)) return false
  const mask = octets.subarray(octets.length / 2)
  const bits = [...mask].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(bits)
}
