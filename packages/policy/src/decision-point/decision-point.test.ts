// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import type { Caller, CallReader } from '../call.ts'
import { allow, type Decision, deny } from '../decision/decision.ts'
import type { CompiledRule } from '../rules/compile.ts'
import type { RuleSet } from '../rules/rule-set.ts'
import { DecisionPoint, type DecisionPointParts, type Outcome } from './decision-point.ts'

const CALL = {}
const WEB: Caller = {
  spiffeId: SpiffeId.parse('spiffe://example.org/acme/web'),
  serialNumber: '1',
  fingerprint256: 'AA',
  notAfter: 5000,
}
const ALLOWED = allow('allowed')
const DENIED = deny('not-allowed')
const FAULT = new Error('broken')

function fails(): never {
  throw FAULT
}

const rulesOf = (version: string): RuleSet => ({ version, rules: [], notFound: null })

/** A rule that is enforced for some, or for nobody. */
const ruleFor = (isEnforcedFor: CompiledRule['isEnforcedFor']): CompiledRule =>
  ({ mode: 'shadow', isEnforcedFor }) as CompiledRule
const ENFORCED = ruleFor(() => true)
const SHADOW = ruleFor(() => false)

interface Situation {
  caller: Caller | null
  route: string | null
  /** By the version of the rules. */
  rule: (version: string) => CompiledRule | null
  decide: (version: string) => Decision | Promise<Decision>
  clock: () => number
}

/** A decision point among fakes that note what they are told. */
function pointOf(situation: Partial<Situation> = {}, more: Record<string, unknown> = {}) {
  const { route = '/', rule = () => ENFORCED } = situation
  const calling = { caller: situation.caller === undefined ? WEB : situation.caller, reads: 0 }
  const { decide = () => ALLOWED, clock = () => 1000 } = situation
  const told: unknown[][] = []
  const note =
    (name: string) =>
    (...values: unknown[]): void =>
      void told.push([name, ...values])
  const table = { active: rulesOf('v1') }
  // The evaluator learns of the rules by the rule that was found in them.
  let found = ''
  const parts = {
    reader: {
      caller: () => {
        calling.reads++
        return calling.caller
      },
      route: () => route,
      method: () => 'GET',
    } as unknown as CallReader,
    table,
    finder: {
      ruleOf: (call: unknown, { version }: RuleSet) => {
        expect(call).toBe(CALL)
        found = version
        return rule(version)
      },
    },
    evaluator: {
      decide: (call: unknown, caller: unknown) => {
        expect([call, caller]).toEqual([CALL, calling.caller])
        return decide(found)
      },
    },
    candidate: { compare: note('candidate') },
    shadow: { count: note('shadow') },
    svids: { note: note('svid') },
    decisionLog: { record: note('log') },
    clock,
    onRecordError: note('error'),
    ...more,
  } as unknown as DecisionPointParts<object>
  const point = new DecisionPoint(parts)
  const outcomes: Outcome[] = []
  point.decide(CALL, (outcome) => void outcomes.push(outcome))
  return { point, table, calling, told, outcomes }
}

/** Lets go on what waits. */
const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

/** What becomes of a decision that is awaited. */
async function later(situation: Partial<Situation>): Promise<Outcome> {
  const { decide = () => ALLOWED } = situation
  const { outcomes } = pointOf({ ...situation, decide: async (version) => decide(version) })
  expect(outcomes).toEqual([])
  await turn()
  expect(outcomes).toHaveLength(1)
  return outcomes[0]!
}

describe('a decision', () => {
  test('is handed over at once where nothing has to be awaited, with the version of its rules', () => {
    expect(pointOf().outcomes).toEqual([
      { isAdmitted: true, decision: ALLOWED, kind: null, policyVersion: 'v1', isShadow: false },
    ])
    expect(pointOf({ decide: () => DENIED }).outcomes).toEqual([
      {
        isAdmitted: false,
        decision: DENIED,
        kind: 'forbidden',
        policyVersion: 'v1',
        isShadow: false,
      },
    ])
  })

  test('is handed over once it is made, otherwise', async () => {
    expect(await later({ decide: () => DENIED })).toMatchObject({
      isAdmitted: false,
      decision: DENIED,
    })
    expect(await later({})).toMatchObject({ isAdmitted: true, decision: ALLOWED })
  })

  test('is of the kind that the caller has to do with', () => {
    const { outcomes } = pointOf({ caller: null, decide: () => deny('no-identity') })
    expect(outcomes).toMatchObject([{ isAdmitted: false, kind: 'unauthenticated' }])
  })

  test('is enforced for those for whom the rule is, and told of to the others', () => {
    const asked: unknown[] = []
    const rule = (): CompiledRule =>
      ruleFor((id) => {
        asked.push(id)
        return id === null
      })
    const situation = { rule, decide: () => DENIED }
    expect(pointOf(situation).outcomes).toEqual([
      {
        isAdmitted: true,
        decision: DENIED,
        kind: 'forbidden',
        policyVersion: 'v1',
        isShadow: true,
      },
    ])
    expect(pointOf({ ...situation, caller: null }).outcomes).toMatchObject([
      { isAdmitted: false, isShadow: false },
    ])
    expect(asked).toEqual([WEB.spiffeId, null])
    expect(pointOf({ rule }).outcomes).toMatchObject([
      { isAdmitted: true, decision: ALLOWED, kind: null, isShadow: true },
    ])
  })

  test('is that of a caller who is looked for once', () => {
    expect(pointOf().calling.reads).toBe(1)
  })

  test('without a rule is enforced', () => {
    const { outcomes } = pointOf({ rule: () => null, decide: () => deny('no-rule') })
    expect(outcomes).toMatchObject([{ isAdmitted: false, isShadow: false }])
  })

  test('is published', () => {
    const events: unknown[] = []
    const listen = (event: unknown): void => void events.push(event)
    subscribe('spiffe:authz:decision', listen)
    pointOf({ decide: () => DENIED })
    unsubscribe('spiffe:authz:decision', listen)
    expect(events).toMatchObject([{ decision: 'deny', reason: 'not-allowed', policyVersion: 'v1' }])
  })
})

describe('who takes note', () => {
  test('of an allow: the log, the SVIDs that were let in, and the candidate', () => {
    const { told, outcomes } = pointOf()
    expect(told).toEqual([
      ['log', CALL, ALLOWED, outcomes[0]],
      ['svid', WEB],
      ['candidate', CALL, WEB, true],
    ])
  })

  test('of a refusal: the log, and the candidate', () => {
    const { told, outcomes } = pointOf({ decide: () => DENIED })
    expect(told).toEqual([
      ['log', CALL, DENIED, outcomes[0]],
      ['candidate', CALL, WEB, false],
    ])
  })

  test.each([
    [ALLOWED, true],
    [DENIED, false],
  ])('of what is not enforced: the counters of shadow mode as well', (decision, considered) => {
    const { told } = pointOf({ rule: () => SHADOW, decide: () => decision })
    expect(told).toContainEqual(['shadow', CALL, { enforced: true, considered }])
    expect(told).toContainEqual(['candidate', CALL, WEB, true])
    expect(told.some(([name]) => name === 'svid')).toBe(considered)
  })

  test('of a caller without identity: no SVIDs', () => {
    const { told } = pointOf({ caller: null, decide: () => allow('public') })
    expect(told.map(([name]) => name)).toEqual(['log', 'candidate'])
  })

  test('without a log: the others', () => {
    const { told } = pointOf({}, { decisionLog: null })
    expect(told.map(([name]) => name)).toEqual(['svid', 'candidate'])
  })

  test.each([
    ['decisionLog', { record: fails }],
    ['svids', { note: fails }],
    ['candidate', { compare: fails }],
  ])('changes nothing where it fails, and is told of: %s', (name, fake) => {
    const { told, outcomes } = pointOf({}, { [name]: fake })
    expect(outcomes).toMatchObject([{ isAdmitted: true, decision: ALLOWED }])
    expect(told).toContainEqual(['error', CALL, FAULT])
  })
})

describe('rules that are replaced while a decision is awaited', () => {
  /** Answers when the test says so, for each version in its turn. */
  function awaited(rule: Situation['rule'] = () => ENFORCED) {
    const answers: ((decision: Decision) => void)[] = []
    const versions: string[] = []
    const made = pointOf({
      rule,
      decide: (version) => {
        versions.push(version)
        return new Promise((resolve) => answers.push(resolve))
      },
    })
    const answer = async (decision: Decision): Promise<void> => {
      answers.shift()?.(decision)
      await turn()
    }
    return { ...made, answer, versions }
  }

  test('give way to the new ones, which decide', async () => {
    const { table, answer, outcomes, versions } = awaited()
    table.active = rulesOf('v2')
    await answer(ALLOWED)
    expect(outcomes).toEqual([])
    await answer(DENIED)
    expect(outcomes).toMatchObject([{ isAdmitted: false, decision: DENIED, policyVersion: 'v2' }])
    expect(versions).toEqual(['v1', 'v2'])
  })

  test('give way to the new ones, which can let in what the former refuse', async () => {
    const { table, answer, outcomes } = awaited()
    table.active = rulesOf('v2')
    await answer(DENIED)
    await answer(ALLOWED)
    expect(outcomes).toMatchObject([{ isAdmitted: true, policyVersion: 'v2' }])
  })

  test('twice refuse, as enforced by the last ones', async () => {
    for (const [rule, isShadow] of [
      [ENFORCED, false],
      [SHADOW, true],
    ] as const) {
      const { table, answer, outcomes, versions } = awaited((version) =>
        version === 'v3' ? rule : isShadow ? ENFORCED : SHADOW,
      )
      table.active = rulesOf('v2')
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await answer(ALLOWED)
      table.active = rulesOf('v3')
      // oxlint-disable-next-line no-await-in-loop -- one after the other
      await answer(ALLOWED)
      expect(outcomes).toEqual([
        {
          isAdmitted: isShadow,
          decision: deny('decision-outdated'),
          kind: 'forbidden',
          policyVersion: 'v3',
          isShadow,
        },
      ])
      expect(versions).toEqual(['v1', 'v2'])
    }
  })

  test('by the same ones change nothing', async () => {
    const { answer, outcomes, versions } = awaited()
    await answer(ALLOWED)
    expect(outcomes).toMatchObject([{ isAdmitted: true, policyVersion: 'v1' }])
    expect(versions).toEqual(['v1'])
  })
})

describe('an SVID that ends while a decision is awaited', () => {
  test.each<[string, Partial<Situation>, Decision]>([
    ['is good to its last millisecond', { clock: () => 4999 }, ALLOWED],
    ['refuses from its end on', { clock: () => 5000 }, deny('identity-expired')],
    ['refuses by a clock that gives NaN', { clock: () => NaN }, deny('identity-expired')],
    ['refuses where there is none', { caller: null }, deny('identity-expired')],
    ['leaves a refusal as it is', { clock: () => 5000, decide: () => DENIED }, DENIED],
    ['refuses by a clock that throws', { clock: fails }, { ...deny('rule-failed'), error: FAULT }],
  ])('%s', async (_, situation, expected) => {
    const { decision, isAdmitted } = await later(situation)
    expect(decision).toEqual(expected)
    expect(isAdmitted).toBe(expected.allowed)
  })

  test('refuses when the connection has ended before it', async () => {
    const { calling, outcomes } = pointOf({ decide: async () => ALLOWED })
    calling.caller = null
    await turn()
    expect(outcomes).toMatchObject([
      { isAdmitted: false, decision: { reason: 'identity-expired' }, kind: 'unauthenticated' },
    ])
  })

  test('is not looked at where nothing is awaited', () => {
    expect(pointOf({ clock: fails }).outcomes).toMatchObject([{ isAdmitted: true }])
  })
})

describe('a call that no rule can be for', () => {
  test.each([
    ['/', 'no-rule', 'forbidden'],
    [null, 'not-found', 'not-found'],
  ])('is refused by what it matches: %p', (route, reason, kind) => {
    const { point, told } = pointOf({ route, rule: () => SHADOW })
    told.length = 0
    const refused: Outcome[] = []
    point.refuse(CALL, (outcome) => void refused.push(outcome))
    expect(refused).toEqual([
      {
        isAdmitted: false,
        decision: deny(reason as 'no-rule'),
        kind,
        policyVersion: 'v1',
        isShadow: false,
      },
    ])
    expect(told.map(([name]) => name)).toEqual(['log', 'candidate'])
  })
})
