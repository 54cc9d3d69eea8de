import { describeValue } from '../describe.ts'
import type { TrustDomain } from '../id/spiffe-id.ts'
import { rawMembers } from '../json/raw-members.ts'
import { X509Bundle } from '../x509/bundle.ts'
import { atOnce, inSlices, type SliceOptions, type Steps } from '../steps.ts'
import { invalid, readingBundle, readJwkSet, unreadable, type JwkSet } from './jwk-set.ts'
import { JwtBundle } from './jwt-bundle.ts'
import { isSameWitKey, readKeys, type IgnoredKey, type WitKey } from './read-keys.ts'
import { writeBundle } from './write-bundle.ts'

/** What a {@link Bundle} is made of. What is left out is empty, or unknown. */
export interface BundleParts {
  readonly x509?: X509Bundle
  readonly jwt?: JwtBundle
  /** Default none. */
  readonly witKeys?: readonly WitKey[]
  /** From 0 on, below 2^128. Default `null`. */
  readonly sequence?: bigint | null
  /** In milliseconds, whole seconds. Default `null`. */
  readonly refreshHintMs?: number | null
}

interface Content extends Required<BundleParts> {
  readonly ignored: readonly IgnoredKey[]
}

const MAX_SEQUENCE = 2n ** 128n - 1n
// Without a sign, a fraction and an exponent; a longer one is too large anyway.
const INTEGER = /^(?:0|[1-9]\d{0,39})$/
const MAX_SECONDS = Math.floor(Number.MAX_SAFE_INTEGER / 1000)

/**
 * The bundle of a trust domain in all its parts, as SPIFFE bundle endpoints serve it (SPIFFE Trust Domain and Bundle
 * §4): X.509 authorities, for X.509-SVIDs alone, and JWT authorities, for JWT-SVIDs alone. Immutable.
 *
 * It may be empty: then nothing of the trust domain is trusted.
 */
export class Bundle {
  readonly trustDomain: TrustDomain
  readonly x509: X509Bundle
  readonly jwt: JwtBundle
  /** The keys for WIT-SVIDs. Nothing here uses them; {@link stringify} writes them. */
  readonly witKeys: readonly WitKey[]
  /** Grows with each change of the bundle; `null` if the publisher does not say. */
  readonly sequence: bigint | null
  /** How often the publisher wants to be asked, in milliseconds; `null` if it does not say. */
  readonly refreshHintMs: number | null
  /** The keys that were read and count for nothing, with the reason. */
  readonly ignored: readonly IgnoredKey[]

  private constructor(trustDomain: TrustDomain, content: Content) {
    this.trustDomain = trustDomain
    this.x509 = content.x509
    this.jwt = content.jwt
    this.witKeys = Object.freeze([...content.witKeys])
    this.sequence = content.sequence
    this.refreshHintMs = content.refreshHintMs
    this.ignored = Object.freeze(content.ignored)
    Object.freeze(this)
  }

  /**
   * Puts a bundle together.
   * @throws {@link SpiffeError} `invalid-bundle` for a part of another trust domain, or a number that is out of bounds
   */
  static of(trustDomain: TrustDomain, parts: BundleParts): Bundle {
    const { x509 = X509Bundle.of(trustDomain, []), jwt = JwtBundle.of(trustDomain, []) } = parts
    for (const part of [x509, jwt]) {
      if (part.trustDomain.equals(trustDomain)) continue
      throw invalid(
        `a bundle of ${part.trustDomain.name} is no part of that of ${trustDomain.name}`,
      )
    }
    const { witKeys = [] } = parts
    return new Bundle(trustDomain, { x509, jwt, witKeys, ignored: [], ...checkedNumbers(parts) })
  }

  /**
   * Reads the SPIFFE bundle format: a JSON Web Key Set of at most 4 MiB and 1000 keys, each of at most 64 KiB. Keys whose `use` or `kty` is
   * absent or unknown, and those that are not usable, are {@link ignored}.
   *
   * @throws {@link SpiffeError} `invalid-bundle`, with the reason as its cause: for what is not a JSON Web Key Set, a
   *   member that occurs twice, two JWT authorities with the same `kid`, a sequence or a refresh hint that is not an
   *   integer from 0 on
   */
  static parse(trustDomain: TrustDomain, input: string | Uint8Array): Bundle {
    return readingBundle(trustDomain, () => atOnce(Bundle.#read(trustDomain, input)))
  }

  /**
   * Reads the same as {@link parse}, in slices of about a millisecond with a turn of the event loop between them. A
   * bundle from outside may take half a second; one of a few keys takes one slice.
   *
   * @throws {@link SpiffeError} `invalid-bundle`, as {@link parse}
   */
  static async parseInSlices(
    trustDomain: TrustDomain,
    input: string | Uint8Array,
    options?: SliceOptions,
  ): Promise<Bundle> {
    try {
      return await inSlices(Bundle.#read(trustDomain, input), options)
    } catch (cause) {
      throw unreadable(trustDomain, cause)
    }
  }

  static *#read(trustDomain: TrustDomain, input: string | Uint8Array): Steps<Bundle> {
    const set = yield* readJwkSet(input)
    return new Bundle(trustDomain, yield* readContent(trustDomain, set))
  }

  /**
   * Whether this bundle is to be used in the place of one of the same trust domain that is held: always, unless both have
   * a sequence and this one's is lower. An empty bundle replaces one that is not: it withdraws all authorities. A fetch
   * that fails has no bundle to ask this of, and what is held stays.
   *
   * @throws {@link SpiffeError} `invalid-bundle` when `held` is of another trust domain
   */
  replaces(held: Bundle | undefined): boolean {
    if (held === undefined) return true
    if (!this.trustDomain.equals(held.trustDomain)) {
      throw invalid(
        `a bundle of ${this.trustDomain.name} replaces none of ${held.trustDomain.name}`,
      )
    }
    // Trust Domain and Bundle §4.1.1: the sequence never goes back.
    return this.sequence === null || held.sequence === null || this.sequence >= held.sequence
  }

  /** Whether both have the same authorities, WIT keys, sequence and refresh hint. */
  equals(other: Bundle): boolean {
    if (this === other) return true
    return (
      this.sequence === other.sequence &&
      this.refreshHintMs === other.refreshHintMs &&
      this.x509.equals(other.x509) &&
      this.jwt.equals(other.jwt) &&
      hasSameWitKeys(this, other)
    )
  }

  /**
   * Writes the SPIFFE bundle format. Revocation lists have no place in it.
   * @throws {@link SpiffeError} `invalid-certificate` for an authority whose key OpenSSL does not take
   */
  stringify(): string {
    return atOnce(writeBundle(this))
  }

  /**
   * Writes the same as {@link stringify}, in slices of about a millisecond with a turn of the event loop between them.
   * @throws {@link SpiffeError} `invalid-certificate`, as {@link stringify}
   */
  async stringifyInSlices(options?: SliceOptions): Promise<string> {
    return inSlices(writeBundle(this), options)
  }

  toJSON(): Record<string, unknown> {
    const { trustDomain, x509, jwt, refreshHintMs, ignored } = this
    const sequence = this.sequence?.toString() ?? null
    return { trustDomain, sequence, refreshHintMs, x509, jwt, ignored }
  }
}

function hasSameWitKeys({ witKeys }: Bundle, other: Bundle): boolean {
  return (
    witKeys.length === other.witKeys.length &&
    witKeys.every((key, index) => isSameWitKey(key, other.witKeys[index]))
  )
}

type Numbers = Pick<Content, 'sequence' | 'refreshHintMs'>

function checkedNumbers({ sequence = null, refreshHintMs = null }: BundleParts): Numbers {
  if (sequence !== null && !(sequence >= 0n && sequence <= MAX_SEQUENCE)) {
    throw invalid('sequence must be from 0 to 2^128 - 1')
  }
  if (refreshHintMs !== null && !isSeconds(refreshHintMs / 1000)) {
    throw invalid('refreshHintMs must be whole seconds')
  }
  return { sequence, refreshHintMs }
}

function* readContent(trustDomain: TrustDomain, set: JwkSet): Steps<Content> {
  const numbers = readNumbers(set)
  const { certificates, jwtAuthorities, witKeys, ignored } = yield* readKeys(set.keys)
  const x509 = X509Bundle.of(trustDomain, certificates)
  yield
  const jwt = JwtBundle.of(trustDomain, jwtAuthorities)
  return { x509, jwt, witKeys, ignored, ...numbers }
}

/** The numbers beside the keys, from the text: those of JavaScript are exact up to 2^53 alone. */
function readNumbers(set: JwkSet): Numbers {
  const sequence = readInteger('spiffe_sequence', set)
  const seconds = readInteger('spiffe_refresh_hint', set)
  if (sequence !== null && sequence > MAX_SEQUENCE) throw invalid('spiffe_sequence is too large')
  if (seconds !== null && !isSeconds(Number(seconds))) {
    throw invalid('spiffe_refresh_hint is too large')
  }
  return { sequence, refreshHintMs: seconds === null ? null : Number(seconds) * 1000 }
}

function readInteger(name: string, { members }: JwkSet): bigint | null {
  const member = members.get(name)
  if (member === undefined) return null
  const digits = rawMembers(member.text).get(name) ?? ''
  if (INTEGER.test(digits)) return BigInt(digits)
  throw invalid(`${name} must be an integer from 0 on (found: ${describeValue(member.value)})`)
}

function isSeconds(seconds: number): boolean {
  return Number.isInteger(seconds) && seconds >= 0 && seconds <= MAX_SECONDS
}
