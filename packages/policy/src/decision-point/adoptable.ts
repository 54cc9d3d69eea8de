import type { PolicyInForce } from '../replicas/policy-agreement.ts'
import type { ActivePolicy } from '../rollout/active-policy.ts'
import type { PolicyLog } from './adapter.ts'

/** The policy in force as replicas know it: they can put in force what the policy file holds, and nothing else. */
export function adoptable(policy: ActivePolicy, log: PolicyLog): PolicyInForce {
  let failure = ''
  return {
    get version() {
      return policy.version
    },
    get digest() {
      return policy.digest
    },
    adopt: async (digest, isWanted) => {
      const { isFromFile, version } = policy
      try {
        const isAdopted = await policy.adopt(digest, isWanted)
        if (!isAdopted || isFromFile) return
        const fields = { former: version, policyVersion: policy.version }
        const message = 'the policy document that code put in force gave way to a later policy file'
        log.warn(fields, message)
      } catch (error) {
        // It is tried again with each heartbeat.
        if (String(error) === failure) return
        failure = String(error)
        const fields = { err: error, policyVersion: version }
        log.error(fields, 'the policy that other replicas have cannot be put in force here')
      }
    },
  }
}
