import { quote } from '../id/quote.ts'
import type { GeneralName, TextForm } from './general-name.ts'

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

/** What text limits names of a form. */
const IS_TEXT_BASE: Readonly<Record<TextForm, (text: string) => boolean>> = {
  // RFC 5280 §4.2.1.10 leaves open what an empty one means: no host, or every host.
  uri: isDomain,
  dns: isEmptyOrDomain,
  email: (text) => isEmptyOrDomain(text) || isMailbox(text),
}

/** Why `base` limits names to nothing that is known; `undefined` when it is well formed. */
export function subtreeFault(base: GeneralName): string | undefined {
  if ('text' in base) {
    const { form, text } = base
    return IS_TEXT_BASE[form](text)
      ? undefined
      : `${quote(text)} limits no names of the kind ${form}`
  }
  if (base.form === 'ip' && !isNetwork(base.octets))
    return 'an address has no mask that is a prefix'
  return undefined
}

/** Something in front of the last `@`, and a host behind it. */
export function isMailbox(text: string): boolean {
  const atSign = text.lastIndexOf('@')
  return atSign > 0 && isHost(text.slice(atSign + 1))
}

/** A host; with a leading period, the hosts below it. */
function isDomain(text: string): boolean {
  return isHost(text.startsWith('.') ? text.slice(1) : text)
}

/** {@link isDomain}; empty, all hosts. */
function isEmptyOrDomain(text: string): boolean {
  return text === '' || isDomain(text)
}

/** RFC 4632 §3.1: the mask is ones, then zeros. */
function isNetwork(octets: Uint8Array): boolean {
  if (!ADDRESS_AND_MASK_OCTETS.has(octets.length)) return false
  const mask = octets.subarray(octets.length / 2)
  const bits = [...mask].map((octet) => octet.toString(2).padStart(8, '0')).join('')
  return /^1*0*$/.test(bits)
}
