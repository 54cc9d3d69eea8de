import { type DecisionKey, DecisionList, type PackedDecision, weightOf } from './decision-list.ts'

const RECENT_SHARE = 0.2

/**
 * The decisions about one identity, in two parts: what is new is `recent`, and an allow that is asked for again is
 * `settled`. Ever new keys evict from what is recent only.
 */
export class IdentityDecisions {
  #recent: DecisionList | undefined
  #settled: DecisionList | undefined

  /** In decisions with keys of the usual length. */
  get weight(): number {
    return (this.#recent?.weight ?? 0) + (this.#settled?.weight ?? 0)
  }

  get size(): number {
    return (this.#recent?.size ?? 0) + (this.#settled?.size ?? 0)
  }

  getProtected(key: DecisionKey): PackedDecision | undefined {
    return this.#settled?.get(key)
  }

  getProbationary(key: DecisionKey): PackedDecision | undefined {
    return this.#recent?.get(key)
  }

  /** Files a decision as recent. `maxWeight` is the bound of the tenant. */
  set(key: DecisionKey, decision: PackedDecision, maxWeight: number): void {
    this.delete(key)
    const bound = recentBound(maxWeight)
    if (weightOf(key) > bound) return
    this.#recent = add(this.#recent, key, decision, bound)
  }

  /** Files a recent decision as settled. */
  protect(key: DecisionKey, maxWeight: number): void {
    const decision = this.#recent?.get(key)
    if (decision === undefined) return
    this.delete(key)
    this.#settled = add(this.#settled, key, decision, maxWeight - recentBound(maxWeight))
  }

  delete(key: DecisionKey): void {
    this.#recent?.delete(key)
    this.#settled?.delete(key)
    // Most identities have decisions of one kind only.
    if (this.#recent?.size === 0) this.#recent = undefined
    if (this.#settled?.size === 0) this.#settled = undefined
  }
}

function recentBound(maxWeight: number): number {
  return Math.max(1, Math.round(maxWeight * RECENT_SHARE))
}

function add(
  list: DecisionList = new DecisionList(),
  key: DecisionKey,
  decision: PackedDecision,
  bound: number,
): DecisionList {
  list.add(key, decision)
  while (list.weight > bound) list.deleteOldest()
  return list
}
