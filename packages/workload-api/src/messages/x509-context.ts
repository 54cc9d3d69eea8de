import { BundleSet } from '@fastify-spiffe/spiffe'
import type { X509Svid } from '@fastify-spiffe/spiffe'

import { WorkloadApiError } from '../errors.ts'
import { parseBundles } from './bundles.ts'
import type { RawX509SvidResponse } from './decode.ts'
import { TrustedOwnBundles } from './own-bundles.ts'
import { judge } from './own-svid.ts'
import type { ParsedMessage, Problem } from './parsed-message.ts'
import { distribute } from './revocation-lists.ts'
import { readX509Message } from './x509-message.ts'
import type { X509Message } from './x509-message.ts'

/** One complete state of the workload's X.509 identities: what is not in it is revoked. */
export interface X509Context {
  /** At least one; the first is the default identity. */
  readonly svids: readonly X509Svid[]
  /**
   * The bundle of every trust domain that may be trusted: the workload's own ones and the federated
   * ones, with the revocation lists of the same message. SPIRE sends none.
   */
  readonly bundles: BundleSet
}

/** What an SVID waits for that is good but not valid yet. */
export interface Wait {
  /** In ms since the epoch. */
  readonly validFrom: number
  readonly error: WorkloadApiError
}

/** An SVID of a message: good now, when `wait` is `null`, or good later. */
export interface JudgedSvid {
  readonly svid: X509Svid
  readonly wait: Wait | null
}

/** A message, judged at one time. */
export interface JudgedContext {
  /** At least one; the first is the default identity. */
  readonly svids: readonly JudgedSvid[]
  readonly bundles: BundleSet
}

/**
 * Judges a message at a time, or refuses it whole.
 *
 * Refused whole: a message whose first SVID (the default identity) has expired or does not verify,
 * because the second must not take its place by accident; one whose SVIDs of the same trust domain
 * disagree about its bundle. Left out and reported in `problems`: any later bad SVID; a bad federated
 * bundle; a revocation list that is not used.
 *
 * An SVID that is good but not valid yet is not bad: nothing in the message is malformed, and clocks
 * differ by seconds. It is reported, and waits. The rest of the message, its own bundle included,
 * counts at once.
 *
 * @throws {@link WorkloadApiError}
 */
export function judgeX509Message(message: X509Message, now: number): ParsedMessage<JudgedContext> {
  const problems: Problem[] = message.problems.filter(({ part }) => part === 'svid')
  const trusted = new TrustedOwnBundles()
  const svids: JudgedSvid[] = []
  for (const [index, own] of message.own.entries()) {
    const judgement = judge(own, now)
    if (!judgement.ok) {
      const { error, validFrom } = judgement
      if (index === 0 && validFrom === Infinity) throw error
      problems.push({ part: 'svid', error })
      if (validFrom === Infinity) continue
    }
    trusted.add(own.bundle)
    svids.push({ svid: own.svid, wait: judgement.ok ? null : judgement })
  }
  problems.push(...message.problems.filter(({ part }) => part === 'bundle'))
  const federated = parseBundles(message.federatedBundles, problems)
  const known = [...trusted.bundles, ...federated]
  const chains = svids.map(({ svid }) => svid)
  const bundles = BundleSet.of(...distribute(message.crl, known, chains, problems))
  return { value: { svids, bundles }, problems }
}

/**
 * The context for a caller that cannot wait: the SVIDs that are valid now.
 * @throws {@link WorkloadApiError} `not-yet-valid` when the default identity is not
 */
export function presentContext({ svids, bundles }: JudgedContext): X509Context {
  const [first] = svids
  if (first !== undefined && first.wait !== null) throw first.wait.error
  const good = svids.filter(({ wait }) => wait === null).map(({ svid }) => svid)
  return Object.freeze({ svids: Object.freeze(good), bundles })
}

/**
 * Turns a message of `FetchX509SVID` into a state, or refuses it whole.
 * @throws {@link WorkloadApiError}
 */
export function parseX509Context(
  message: RawX509SvidResponse,
  clock: () => number,
): ParsedMessage<X509Context> {
  const { value, problems } = judgeX509Message(readX509Message(message), clock())
  return { value: presentContext(value), problems }
}
