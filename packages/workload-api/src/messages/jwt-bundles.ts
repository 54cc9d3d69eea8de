import { createHash } from 'node:crypto'
import { BundleSet, JwtBundle } from '@fastify-spiffe/spiffe'

import { quote, refusal } from '../errors.ts'
import { checkSizes, noneIsGood, parseName } from './bundles.ts'
import type { ParsedMessage, Problem } from './parsed-message.ts'

interface Known {
  /** Of the bytes. They themselves would keep the whole message in memory. */
  readonly digest: string
  readonly bundle: JwtBundle
}

/**
 * Reads the messages of `FetchJWTBundles`. A bundle whose bytes have not changed is not read again: among thousands of
 * trust domains one changes at a time.
 */
export class JwtBundleReader {
  #known: ReadonlyMap<string, Known> = new Map()

  /**
   * Turns a message into a set of bundles, or refuses it whole. A bad bundle is left out, so that no JWT-SVID of its
   * trust domain is accepted, and is reported.
   * @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded`
   */
  parse(bundles: ReadonlyMap<string, Buffer>): ParsedMessage<BundleSet<JwtBundle>> {
    checkSizes(bundles)
    const problems: Problem[] = []
    const read = new Map<string, Known>()
    for (const [name, jwks] of bundles) {
      try {
        read.set(name, this.#read(name, jwks))
      } catch (cause) {
        const message = `the JWT bundle of ${quote(name)} is refused`
        problems.push({ part: 'bundle', error: refusal('invalid-bundle', message, cause) })
      }
    }
    if (read.size === 0) throw noneIsGood(problems)
    this.#known = read
    const value = BundleSet.of(...Array.from(read.values(), ({ bundle }) => bundle))
    return { value, problems }
  }

  #read(name: string, jwks: Buffer): Known {
    const trustDomain = parseName(name)
    const digest = createHash('sha256').update(jwks).digest('base64')
    const known = this.#known.get(name)
    if (known?.digest === digest) return known
    return { digest, bundle: JwtBundle.fromJwks(trustDomain, jwks) }
  }
}
