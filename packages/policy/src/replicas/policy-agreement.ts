import type { PolicyStatement } from './message.ts'

/** The policy document in force in this replica. */
export interface PolicyInForce {
  readonly version: string
  /** Of its content. */
  readonly digest: string
  /**
   * Puts in force what the policy file holds now, if that has this digest, and if `isWanted` still when its turn comes.
   * Never rejects.
   */
  adopt(digest: string, isWanted: () => boolean): Promise<void>
}

/** Clocks of replicas may differ by this much. */
export const MAX_CLOCK_SKEW_MS: number = 10 * 60_000

/** What no replica has said for so long is not so any more. */
const STATEMENT_TTL_MS = 10 * 60_000

/** What a replica says of its policy, and when it said so. */
export interface DatedStatement extends PolicyStatement {
  readonly sender: string
  readonly sentAt: number
}

/**
 * Brings the policy documents of the replicas together, forwards only. Each activated document gets
 * an epoch, greater than all that the replica knows. A replica that learns of a later document with
 * another digest activates it as soon as its own file contains exactly that; until then it keeps
 * the one that it has.
 */
export class PolicyAgreement {
  readonly #policy: PolicyInForce
  readonly #clock: () => number
  /** Of the document in force here; 0 for that of the boot. */
  #epoch = 0
  /** The greatest epoch that was made or received. */
  #latest = 0
  /** The latest document, when this replica has another one. */
  #wanted: PolicyStatement | null = null
  #wantedAt = -Infinity
  /** Another replica has booted with another document. It is unknown which is later. */
  #other: DatedStatement | null = null
  #otherAt = -Infinity
  #isAdopting = false
  /** The document of another replica that was not to be had here at the last attempt. */
  #missed: PolicyStatement | null = null

  constructor(policy: PolicyInForce, clock: () => number) {
    this.#policy = policy
    this.#clock = clock
  }

  /** What this replica publishes. */
  get statement(): PolicyStatement {
    const { version, digest } = this.#policy
    return { epoch: this.#epoch, digest, version }
  }

  /** The version of a document that others have in force, and this replica cannot take over; `null` when all agree. */
  get differingVersion(): string | null {
    return (this.#missed ?? this.#other)?.version ?? null
  }

  /** A document was put in force here, by code or since the file has changed. */
  onReplaced(): void {
    this.#other = null
    if (this.#catchUp()) return
    this.#latest = Math.max(this.#latest + 1, this.#clock())
    this.#epoch = this.#latest
    this.#want(null)
  }

  /** Another replica has a document in force. Returns `false` when one of both clocks must be wrong: it is not believed. */
  onStatement(statement: DatedStatement): boolean {
    if (!this.#isPlausible(statement)) return false
    const { epoch, digest, sender } = statement
    this.#latest = Math.max(this.#latest, epoch)
    if (sender === this.#other?.sender) this.#other = null
    if (digest === this.#policy.digest) this.#agree(epoch)
    else this.#disagree(statement)
    return true
  }

  /** A replica has ended: what it has booted with counts no more. */
  onEnd(sender: string): void {
    if (sender === this.#other?.sender) this.#other = null
  }

  /** Tries again to put in force what others have. */
  async sync(): Promise<void> {
    this.#forgetUnsaid()
    if (this.#wanted === null || this.#isAdopting) return
    this.#isAdopting = true
    const wanted = this.#wanted
    const isWanted = (): boolean => this.#wanted?.digest === wanted.digest
    await this.#policy.adopt(wanted.digest, isWanted)
    this.#isAdopting = false
    if (this.#catchUp()) return
    if (isWanted()) this.#missed = wanted
    // Another document has come meanwhile.
    else await this.sync()
  }

  #isPlausible({ epoch, sentAt }: DatedStatement): boolean {
    const now = this.#clock()
    return Math.abs(now - sentAt) <= MAX_CLOCK_SKEW_MS && epoch <= now + MAX_CLOCK_SKEW_MS
  }

  #forgetUnsaid(): void {
    const now = this.#clock()
    if (now - this.#otherAt > STATEMENT_TTL_MS) this.#other = null
    if (this.#wanted !== null && now - this.#wantedAt > STATEMENT_TTL_MS) this.#want(null)
  }

  #want(statement: PolicyStatement | null): void {
    this.#wanted = statement
    this.#wantedAt = this.#clock()
    if (statement?.digest !== this.#missed?.digest) this.#missed = null
    void this.sync()
  }

  /** Another replica has the same document. */
  #agree(epoch: number): void {
    this.#epoch = Math.max(this.#epoch, epoch)
    if (this.#wanted !== null && !isLater(this.#wanted, this.statement)) this.#want(null)
  }

  /** Another replica has another document. */
  #disagree(statement: DatedStatement): void {
    const now = this.#clock()
    if (statement.digest === this.#wanted?.digest) this.#wantedAt = now
    if (isLater(statement, this.#wanted ?? this.statement)) this.#want(statement)
    else if (statement.epoch === 0 && this.#epoch === 0) {
      this.#other = statement
      this.#otherAt = now
    }
  }

  /** Whether what is in force now is what was wanted. */
  #catchUp(): boolean {
    if (this.#wanted?.digest !== this.#policy.digest) return false
    this.#epoch = Math.max(this.#epoch, this.#wanted.epoch)
    this.#want(null)
    return true
  }
}

/** Of two documents with one epoch, all replicas take the same one for the later. Those of the boot have no order. */
function isLater(one: PolicyStatement, other: PolicyStatement): boolean {
  if (one.epoch !== other.epoch) return one.epoch > other.epoch
  return one.epoch > 0 && one.digest > other.digest
}
