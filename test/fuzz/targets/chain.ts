import { X509Certificate } from 'node:crypto'
import {
  BundleSet,
  Certificate,
  SpiffeError,
  TrustDomain,
  verifyX509Svid,
  X509Bundle,
} from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { NOW } from '../../support/verdict.ts'
import type { Judge } from '../../support/judges/judge.ts'
import { readCorpus, type GoodChain } from '../corpus/corpus.ts'
import { mutated, mutations, type Mutation } from '../support/bytes.ts'
import { DER } from '../support/der.ts'
import { codeOf } from '../support/own-error.ts'
import { SecondJudges } from '../support/second-judges.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import { isSpiffeId } from './spiffe-id.ts'

interface Input {
  readonly chain: number
  /** Which certificate is spoilt: as they are sent, and the authority at last. */
  readonly certificate: number
  readonly mutation: Mutation
}

/** What a peer sends, and what it is held against, with one certificate spoilt. */
interface Spoilt {
  readonly good: GoodChain
  readonly sent: readonly Buffer[]
  readonly authority: Buffer
  readonly isChanged: boolean
}

/**
 * Good chains with one certificate spoilt. What is accepted nevertheless is asked of judges that are not ours.
 * @param judges those that this machine has
 */
export function openChains(judges: readonly Judge[]): Target<Input> {
  const { chains } = readCorpus()
  const second = new SecondJudges(judges)
  const spoil = ({ chain, certificate, mutation }: Input): Spoilt => {
    const good = chains[chain % chains.length]!
    const all = [...good.chain, good.authority]
    const place = certificate % all.length
    const bytes = mutated(all[place]!, DER, mutation)
    const spoilt = all.with(place, bytes)
    const isChanged = !bytes.equals(all[place]!)
    return { good, sent: spoilt.slice(0, -1), authority: spoilt.at(-1)!, isChanged }
  }
  return {
    inputs: fc.record({
      chain: fc.nat(1000),
      certificate: fc.nat(1000),
      mutation: mutations,
    }),
    read(input) {
      const spoilt = spoil(input)
      const outcome = verdictOn(spoilt)
      check(spoilt.isChanged || outcome === ACCEPTED, `a good chain is refused: ${outcome}`)
      if (outcome === ACCEPTED && spoilt.isChanged) second.note(spoilt.good, spoilt)
      return outcome
    },
    bytesOf: (input) => {
      const { sent, authority } = spoil(input)
      return Buffer.concat([...sent, authority])
    },
    conclude: () => second.objections(),
    remarks: () => second.remarks(),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function verdictOn({ good, sent, authority }: Spoilt): string {
  const bundles = bundlesOf(good, authority)
  if (typeof bundles === 'string') return bundles
  const chain = readAll(sent)
  if (typeof chain === 'string') return chain
  const verification = verifyX509Svid(chain, bundles, { clock: () => NOW })
  if (verification.ok) return ACCEPTED
  const { claimedId, message } = verification
  check(claimedId === undefined || isSpiffeId(String(claimedId)), `it claims ${String(claimedId)}`)
  check(/^[\x20-\x7e…]{1,1000}$/.test(message), 'the message is long, or not printable')
  return verification.code
}

function bundlesOf({ trustDomain }: GoodChain, authority: Buffer): BundleSet | string {
  try {
    return BundleSet.of(X509Bundle.fromDer(TrustDomain.parse(trustDomain), authority))
  } catch (error) {
    return codeOf(error, SpiffeError)
  }
}

/** As `node:tls` hands certificates out. What OpenSSL does not read, or not to its end, is left to our own reader. */
function readAll(sent: readonly Buffer[]): readonly (Certificate | X509Certificate)[] | string {
  try {
    return sent.map((der) => readByOpenssl(der) ?? Certificate.fromDer(der))
  } catch (error) {
    return codeOf(error, SpiffeError)
  }
}

function readByOpenssl(der: Buffer): X509Certificate | undefined {
  try {
    const certificate = new X509Certificate(der)
    return certificate.raw.equals(der) ? certificate : undefined
  } catch {
    return undefined
  }
}
