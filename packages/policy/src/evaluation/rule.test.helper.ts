import { allow, deny } from '../decision/decision.ts'
import { RuleLocation } from '../location.ts'
import { callerAsSubject } from '../principals/behalf.ts'
import type { CompiledRule, RuleDescription } from '../rules/compile.ts'

/** Where {@link ruleOf} says that its rules are. */
export const PLACE: RuleLocation = RuleLocation.ofRoute(['GET'], '/')

/** A rule that lets in everybody with an identity and asks for nothing else, unless a test says more. */
export function ruleOf(
  more: Partial<Omit<CompiledRule, 'description'>> = {},
  description: Partial<RuleDescription> = {},
): CompiledRule {
  return {
    identify: (id) => (id === null ? deny('no-identity') : allow('allowed')),
    behalf: null,
    tenantSubject: callerAsSubject,
    tenant: null,
    requirements: [],
    mode: 'enforce',
    isEnforcedFor: () => true,
    ...more,
    description: {
      place: PLACE,
      grant: 'anyAuthenticated',
      denied: null,
      behalf: null,
      proof: null,
      altNames: null,
      ...description,
    },
  }
}
