import type { AltNameRule, CompiledAltNames } from '../principals/alt-names.ts'
import type { Requirement } from './requirement.ts'

/**
 * What a rule demands of the names of certificates, as a requirement before all others. It is asked at each call and never cached:
 * two certificates of one SPIFFE ID can have different names.
 */
export function altNameRequirement({ demands, check }: CompiledAltNames): Requirement {
  return {
    engine: null,
    key: 'subjectAltName',
    text: demands.map(describeDemand).join('; '),
    sources: [],
    providers: [],
    maxAgeMs: 0,
    decide: (_call, caller) => check(caller),
    ask: (_call, caller) => check(caller),
  }
}

/** For people: `dns a.example.org or b.example.org, ip 192.0.2.1`. */
function describeDemand(demand: AltNameRule): string {
  return Object.entries(demand)
    .map(([kind, names]: [string, readonly string[]]) => `${kind} ${names.join(' or ')}`)
    .join(', ')
}
