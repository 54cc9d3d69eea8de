import type { Judge, Question } from '../../support/judges/judge.ts'
import { NOW } from '../../support/verdict.ts'
import type { GoodChain } from '../corpus/corpus.ts'

/** A good chain in which something was changed, and which ours accepts all the same. */
interface Changed {
  readonly sent: readonly Buffer[]
  readonly authority: Buffer
}

interface Case {
  readonly good: GoodChain
  readonly changed: Changed
}

/**
 * Rules for those who issue, which `openssl verify -x509_strict` asks for and path validation does not: see the explanations
 * of `test/differential`, where each is held against the standards.
 */
const FOR_ISSUERS = new Set(['83', '84', '85', '86', '88', '89'])

/** `SubjectKeyIdentifier` with the head of its value, before twenty octets. */
const KEY_ID = Buffer.from('0603551d0e04160414', 'hex')
const KEY_ID_BYTES = 20

/** Chains that ours accepts, to be put to others in one go. A judge is not asked where it refuses even the good chain. */
export class SecondJudges {
  readonly #judges: readonly Judge[]
  readonly #cases = new Map<string, Case>()
  readonly #remarks: string[] = []

  constructor(judges: readonly Judge[]) {
    this.#judges = judges
  }

  note(good: GoodChain, changed: Changed): void {
    this.#cases.set(hexOf(changed), { good, changed })
  }

  /** One line for each chain that one of them refuses. */
  async objections(): Promise<readonly string[]> {
    this.#remarks.push(`${this.#cases.size} changed chains were accepted`)
    const objections: string[] = []
    for (const judge of this.#judges) objections.push(...(await this.#objectionsOf(judge)))
    return objections
  }

  remarks(): readonly string[] {
    return this.#remarks
  }

  async #objectionsOf(judge: Judge): Promise<readonly string[]> {
    const goodChains = new Set([...this.#cases.values()].map(({ good }) => good))
    const known = await knownTo(judge, [...goodChains])
    const cases = [...this.#cases.values()].filter(({ good }) => known.has(good))
    const opinions = await judge.judge(cases.map(({ good, changed }) => question(good, changed)))
    const refusals = cases
      .map((each, number) => ({ ...each, opinion: opinions[number]! }))
      .filter(({ opinion }) => !opinion.accepted)
    const unexplained = refusals.filter(
      ({ good, changed, opinion }) =>
        !opinion.codes.every((code) => FOR_ISSUERS.has(code)) && !hasOtherKeyId(good, changed),
    )
    this.#remarks.push(
      `${judge.name} was asked about ${cases.length} of them, and refused ${refusals.length}, of which ` +
        `${refusals.length - unexplained.length} for rules that path validation does not have`,
    )
    return unexplained.map(
      ({ changed, opinion }) =>
        `${judge.name} refuses (${opinion.codes.join(', ')}) what ours accepts: ${hexOf(changed)}`,
    )
  }
}

async function knownTo(
  judge: Judge,
  goodChains: readonly GoodChain[],
): Promise<ReadonlySet<GoodChain>> {
  const opinions = await judge.judge(
    goodChains.map((good) => question(good, { sent: good.chain, authority: good.authority })),
  )
  return new Set(goodChains.filter((_good, number) => opinions[number]!.accepted))
}

function question({ trustDomain }: GoodChain, { sent, authority }: Changed): Question {
  return { chain: sent, bundles: new Map([[trustDomain, [authority]]]), now: NOW }
}

/**
 * Whether the authority no longer has the key identifier that the certificate below it names. The others do not look further
 * then. RFC 5280 §6.1 does not compare them: they help to find a path, and prove nothing.
 */
function hasOtherKeyId(good: GoodChain, { authority }: Changed): boolean {
  const at = good.authority.indexOf(KEY_ID)
  const extension = good.authority.subarray(at, at + KEY_ID.length + KEY_ID_BYTES)
  return !authority.includes(extension)
}

/** The certificates as they were sent, and the authority. */
function hexOf({ sent, authority }: Changed): string {
  return [...sent, authority].map((der) => der.toString('hex')).join('|')
}
