/** Under what a decision is enforced. */
export interface Enforcement {
  readonly policyVersion: string
  /** The route only tells what its rule would do. */
  readonly isShadow: boolean
}
