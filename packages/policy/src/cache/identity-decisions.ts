import { type DecisionKey, DecisionList, type PackedDecision, weightOf } from './decision-list.ts'

const PROBATIONARY_RATIO = 0.2

/**
 * The decisions about one identity, in two segments: new decisions are probationary, and an allow that is used again is
 * protected. New keys evict only probationary decisions.
 */
export class IdentityDecisions {
  #probationary: DecisionList | undefined
  #protected: DecisionList | undefined

  /** In decisions with keys of the usual length. */
  get weight(): number {
    return (this.#probationary?.weight ?? 0) + (this.#protected?.weight ?? 0)
  }

  get size(): number {
    return (this.#probationary?.size ?? 0) + (this.#protected?.size ?? 0)
  }

  getProtected(key: DecisionKey): PackedDecision | undefined {
    return this.#protected?.get(key)
  }

  getProbationary(key: DecisionKey): PackedDecision | undefined {
    return this.#probationary?.get(key)
  }

  /** Adds a probationary decision. `maxWeight` is the limit of the tenant. */
  set(key: DecisionKey, decision: PackedDecision, maxWeight: number): void {
    this.delete(key)
    const limit = maxProbationaryWeight(maxWeight)
    if (weightOf(key) > limit) return
    this.#probationary = add(this.#probationary, key, decision, limit)
  }

  /** Moves a probationary decision to the protected ones. */
  protect(key: DecisionKey, maxWeight: number): void {
    const decision = this.#probationary?.get(key)
    if (decision === undefined) return
    this.delete(key)
    this.#protected = add(
      this.#protected,
      key,
      decision,
      maxWeight - maxProbationaryWeight(maxWeight),
    )
  }

  delete(key: DecisionKey): void {
    this.#probationary?.delete(key)
    this.#protected?.delete(key)
    // Most identities have decisions of one kind only.
    if (this.#probationary?.size === 0) this.#probationary = undefined
    if (this.#protected?.size === 0) this.#protected = undefined
  }
}

function maxProbationaryWeight(maxWeight: number): number {
  return Math.max(1, Math.round(maxWeight * PROBATIONARY_RATIO))
}

function add(
  list: DecisionList = new DecisionList(),
  key: DecisionKey,
  decision: PackedDecision,
  limit: number,
): DecisionList {
  list.add(key, decision)
  while (list.weight > limit) list.deleteOldest()
  return list
}
