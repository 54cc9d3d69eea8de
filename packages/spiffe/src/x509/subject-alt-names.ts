import { isIP } from 'node:net'
import type { Certificate } from './certificate.ts'

/** RFC 5280 §4.2.1.6, RFC 1123 §2.1: letters, digits and hyphens, none of them at an end; A-labels are such. */
const LABELS = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?(?:\.[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?)*$/i
/** What ends in a number is taken for an address by some readers, whatever stands before. */
const ENDS_IN_NUMBER = /(?:^|\.)(?:\d+|0x[\da-f]*)$/i
const MAX_DNS_LENGTH = 253
/** More than any workload needs. They are kept for as long as the certificate is known. */
export const MAX_ALT_NAMES = 256
const IPV4_OCTETS = 4

/** Names as texts, to make {@link SubjectAltNames} of without a certificate. */
export interface AltNameTexts {
  /** DNS names, with wildcards as certificates may have them. */
  readonly dns?: readonly string[]
  /** IP addresses. */
  readonly ip?: readonly string[]
  /** URIs, octet for octet. */
  readonly uri?: readonly string[]
}

/**
 * The alternative names of the subject of a certificate (RFC 5280 §4.2.1.6), to be asked for one by its full name. They say
 * what the certificate says, and prove nothing: whoever asks has verified it.
 *
 * What can be read in two ways is in no list, and matches nothing: a DNS name that is no host, such as one with an octet 0 or
 * a dot at its end, one that ends in a number as an address does, and one with a wildcard in any other place than RFC 9525
 * §6.3 allows.
 */
export class SubjectAltNames {
  /** DNS names in lower case. A wildcard stands for one label: `*.example.org`. */
  readonly dns: readonly string[]
  /** IP addresses as RFC 5952 writes them. One of four octets is never one of sixteen, not even a mapped one. */
  readonly ip: readonly string[]
  /** URIs, octet for octet. */
  readonly uri: readonly string[]
  readonly #dns: ReadonlySet<string>
  readonly #ip: ReadonlySet<string>
  readonly #uri: ReadonlySet<string>

  private constructor({ dns = [], ip = [], uri = [] }: AltNameTexts) {
    this.#dns = new Set(dns.flatMap((name) => presentedDnsName(name) ?? []))
    this.#ip = new Set(ip.flatMap((address) => canonicalIpAddress(address) ?? []))
    this.#uri = new Set(uri)
    this.dns = Object.freeze([...this.#dns].toSorted())
    this.ip = Object.freeze([...this.#ip].toSorted())
    this.uri = Object.freeze([...this.#uri].toSorted())
    Object.freeze(this)
  }

  /** Reads the names of a certificate; `null`: it has more than 256, which are not kept. */
  static of({ extensions }: Certificate): SubjectAltNames | null {
    const { names = [] } = extensions.subjectAltName?.value ?? {}
    if (names.length > MAX_ALT_NAMES) return null
    return new SubjectAltNames({
      dns: names.flatMap((name) => (name.form === 'dns' ? [name.text] : [])),
      ip: names.flatMap((name) => (name.form === 'ip' ? [addressOf(name.octets)] : [])),
      uri: names.flatMap((name) => (name.form === 'uri' ? [name.text] : [])),
    })
  }

  /** Makes them of texts, as if a certificate had them; `null`: there are more than 256. */
  static from(texts: AltNameTexts): SubjectAltNames | null {
    const { dns = [], ip = [], uri = [] } = texts
    return dns.length + ip.length + uri.length > MAX_ALT_NAMES ? null : new SubjectAltNames(texts)
  }

  /**
   * Whether a name, or a wildcard, names this host (RFC 9525 §6.3): a wildcard stands for exactly one label, the left-most, and has two
   * more at least behind it.
   *
   * @param name the full name of a host: lower case, A-labels, no wildcard and no dot at its end; any other is not found
   */
  hasDnsName(name: string): boolean {
    if (name.startsWith('*')) return false
    if (this.#dns.has(name)) return true
    const dot = name.indexOf('.')
    return dot > 0 && this.#dns.has(`*${name.slice(dot)}`)
  }

  /** @param address as RFC 5952 writes it; any other is not found */
  hasIpAddress(address: string): boolean {
    return this.#ip.has(address)
  }

  /** @param uri octet for octet; nothing of it is normalised */
  hasUri(uri: string): boolean {
    return this.#uri.has(uri)
  }
}

/** The full name of a host in lower case; `undefined` for what is none, such as an address, a wildcard or a name with U-labels. */
export function canonicalDnsName(text: string): string | undefined {
  // Before it is in lower case: the Kelvin sign would be a k then.
  const isHost = text.length <= MAX_DNS_LENGTH && LABELS.test(text) && !ENDS_IN_NUMBER.test(text)
  return isHost ? text.toLowerCase() : undefined
}

/** A DNS name as certificates may have it, in lower case: that of a host, or a wildcard before two labels at least. */
export function presentedDnsName(text: string): string | undefined {
  if (!text.startsWith('*.')) return canonicalDnsName(text)
  const parent = canonicalDnsName(text.slice(2))
  return parent?.includes('.') === true ? `*.${parent}` : undefined
}

/**
 * An address as RFC 5952 writes it, but for an IPv4 address mapped into IPv6, which stays one of sixteen octets:
 * `::ffff:a00:1`. `undefined` for what is none, and for one with an interface.
 */
export function canonicalIpAddress(text: string): string | undefined {
  const family = isIP(text)
  if (family === 4) return text
  if (family !== 6 || text.includes('%')) return undefined
  return new URL(`http://[${text}]`).hostname.slice(1, -1)
}

function addressOf(octets: Uint8Array): string {
  if (octets.length === IPV4_OCTETS) return octets.join('.')
  const hex = Buffer.from(octets).toString('hex')
  return hex.replaceAll(/.{4}(?=.)/g, '$&:')
}
