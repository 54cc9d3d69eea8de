import { matchMemberOf, SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import type { AttributeSource } from '../attributes/sources.ts'
import { allow, deny } from '../decision/decision.ts'
import type { CompiledBehalf } from '../principals/behalf.ts'
import { type CompiledCallers, compileCallers } from '../principals/callers.ts'
import type { Requirement } from '../rules/requirement.ts'
import { Findings } from './findings.ts'
import { PLACE, ruleOf } from './rule.test.helper.ts'

const WEB = SpiffeId.parse('spiffe://example.org/acme/web')
const DENIED = deny('condition-false')

const callers = (...list: unknown[]): CompiledCallers => compileCallers(PLACE, 'list', list)

const sourceOf = (name: string): AttributeSource => ({
  name,
  varies: true,
  read: () => undefined,
  refusal: deny('ambiguous-attribute'),
  provider: null,
})

/** A condition that reads these attributes, or an engine that does. */
const requirementOf = (engine: string | null, ...reads: string[]): Requirement => ({
  engine,
  text: null,
  sources: reads.map(sourceOf),
  providers: [],
  maxAgeMs: 0,
  decide: () => DENIED,
  ask: () => DENIED,
})

const findingsOf = (behalf: CompiledBehalf): Findings =>
  new Findings(ruleOf({}, { behalf }), WEB, null)

test('there is nothing to find where a rule requires nothing', () => {
  for (const grant of ['anyAuthenticated', 'public'] as const) {
    expect(new Findings(ruleOf({}, { grant }), WEB, null).list()).toEqual([])
  }
})

describe('the tenant', () => {
  const rule = ruleOf({ tenant: { source: sourceOf('params.tenant'), admits: () => true } })
  const tenant = { check: 'tenant', what: 'params.tenant' }

  test('is not asked where the evaluation ended before', () => {
    expect(new Findings(rule, WEB, null).list()).toEqual([{ ...tenant, outcome: 'not-asked' }])
  })

  test('holds where it is that of the caller, and does not where it is another', () => {
    const findings = new Findings(rule, WEB, null)
    findings.onTenant(true)
    expect(findings.list()).toEqual([{ ...tenant, outcome: 'holds' }])
    findings.onTenant(false)
    expect(findings.list()).toEqual([
      { ...tenant, outcome: 'does-not-hold', reason: 'tenant-mismatch' },
    ])
  })
})

describe('on whose behalf a call is made', () => {
  const [SHOP, RELAY, PROXY] = ['shop', 'relay', 'proxy'].map(
    (name) => `spiffe://example.org/${name}`,
  )
  const itself = { origins: 'itself', via: callers(), evidence: 'signed' } as const

  test('is not asked where the evaluation ended before', () => {
    expect(findingsOf(itself).list()).toEqual([
      { check: 'onBehalfOf', what: 'itself', outcome: 'not-asked' },
    ])
  })

  test('holds, or does not for the reason of the refusal', () => {
    const findings = findingsOf(itself)
    findings.onBehalf(null)
    expect(findings.list()).toMatchObject([{ outcome: 'holds' }])
    findings.onBehalf(deny('origin-not-allowed'))
    expect(findings.list()).toEqual([
      {
        check: 'onBehalfOf',
        what: 'itself',
        outcome: 'does-not-hold',
        reason: 'origin-not-allowed',
      },
    ])
  })

  test('is told by the origins, by those between, and by the evidence', () => {
    const origins = callers(WEB.toString(), SHOP)
    const what = [callers(), callers(RELAY, PROXY)].map(
      (via) => findingsOf({ origins, via, evidence: 'forwarded' }).list()[0]?.what,
    )
    expect(what).toEqual([
      `${WEB.toString()}, ${SHOP} (forwarded)`,
      `${WEB.toString()}, ${SHOP} via ${RELAY}, ${PROXY} (forwarded)`,
    ])
  })
})

describe('lists of callers', () => {
  const rule = ruleOf(
    {},
    {
      grant: callers(
        'spiffe://example.org/acme/*',
        WEB.toString(),
        'spiffe://example.org/acme/api',
      ),
      denied: callers(matchMemberOf('example.com')),
    },
  )

  test('are told of entry by entry, those that are denied first', () => {
    const found = new Findings(rule, WEB, null).list()
    expect(found.map(({ check, what, outcome }) => [check, what, outcome])).toEqual([
      ['deny[0]', expect.stringContaining('example.com'), 'does-not-match'],
      ['allow[0]', "matchPattern('spiffe://example.org/acme/*')", 'matches'],
      ['allow[1]', 'spiffe://example.org/acme/web', 'matches'],
      ['allow[2]', 'spiffe://example.org/acme/api', 'does-not-match'],
    ])
  })

  test('are not asked about a caller without identity', () => {
    const found = new Findings(rule, null, null).list()
    expect(found.map(({ outcome }) => outcome)).toEqual(
      Array.from({ length: 4 }, () => 'not-asked'),
    )
  })
})

describe('requirements', () => {
  test('are not asked where the evaluation ended before', () => {
    const requirements = [requirementOf(null, 'params.id'), requirementOf('yes')]
    expect(new Findings(ruleOf({ requirements }), WEB, null).list()).toEqual([
      { check: 'where[0]', what: 'params.id', outcome: 'not-asked' },
      { check: 'engines[0]', what: 'yes', outcome: 'not-asked' },
    ])
  })

  test('are told of in their order, conditions before engines, as far as they were evaluated', () => {
    const requirements = [
      requirementOf(null, 'params.id', 'headers.x'),
      requirementOf(null),
      requirementOf('yes', 'method'),
      requirementOf('no'),
    ]
    const findings = new Findings(ruleOf({ requirements }), WEB, null)
    findings.onRequirement(0, allow('allowed'))
    findings.onRequirement(1, allow('stale'))
    findings.onRequirement(2, deny('engine-denied'))
    expect(findings.list()).toEqual([
      { check: 'where[0]', what: 'params.id, headers.x', outcome: 'holds' },
      { check: 'where[1]', what: '', outcome: 'holds' },
      { check: 'engines[0]', what: 'yes', outcome: 'does-not-hold', reason: 'engine-denied' },
      { check: 'engines[1]', what: 'no', outcome: 'not-asked' },
    ])
  })
})
