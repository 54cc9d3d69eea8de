/** Under what a decision is enforced. */
export interface Enforcement {
  readonly policyVersion: string
  /** The route only reports what its rule would decide. */
  readonly isShadow: boolean
}
