import { describe, expect, test } from '@jest/globals'
import { anyOf, matchPattern, SpiffeId, SpiffeIdMatcher } from '@fastify-spiffe/spiffe'
import type { CallChain } from '../call.ts'
import { RuleLocation } from '../location.ts'
import { type CompiledCallers, compileCallers } from './callers.ts'
import { identifierOf } from './identify.ts'

/** Matches the IDs whose path begins so, and counts how often it is asked. */
class StartsWith extends SpiffeIdMatcher {
  asked = 0
  start: string
  readonly #isFixed: boolean

  constructor(start: string, isFixed: boolean) {
    super()
    this.start = start
    this.#isFixed = isFixed
  }

  override get isFixed(): boolean {
    return this.#isFixed
  }

  matches({ path }: SpiffeId): boolean {
    this.asked += 1
    return path.startsWith(this.start)
  }

  toString(): string {
    return `StartsWith('${this.start}')`
  }
}

const place = RuleLocation.ofRoute(['GET'], '/')

function callers(...list: readonly (SpiffeIdMatcher | string)[]): CompiledCallers {
  return compileCallers(place, 'allow', list)
}

function idOf(path: string): SpiffeId {
  return SpiffeId.parse(`spiffe://example.org${path}`)
}

const chain: CallChain = {
  origin: idOf('/bad/web'),
  via: [],
  evidence: 'signed',
  validUntil: Infinity,
}

describe('identities that a rule has decided before', () => {
  test('are not matched again where the matchers say that their sets never change', () => {
    const matcher = new StartsWith('/ok', true)
    const identify = identifierOf(callers(matcher), null)
    for (let i = 0; i < 3; i++) {
      expect(identify(idOf('/ok/web'), null).allowed).toBe(true)
      expect(identify(idOf('/no/web'), null).reason).toBe('not-allowed')
    }
    expect(matcher.asked).toBe(2)
  })

  test('are matched again, each time, where one matcher of any list says nothing of that', () => {
    const fixed = new StartsWith('/ok', true)
    const changing = new StartsWith('/bad', false)
    const identify = identifierOf(callers(fixed), callers(anyOf(changing, 'spiffe://b.example/x')))
    expect(identify(idOf('/ok/web'), null).allowed).toBe(true)
    changing.start = '/ok'
    expect(identify(idOf('/ok/web'), null).reason).toBe('denied')
    changing.start = '/bad'
    expect(identify(idOf('/ok/web'), null).allowed).toBe(true)
    expect(changing.asked).toBe(3)
  })

  test('are told apart by the whole SPIFFE ID', () => {
    const identify = identifierOf(callers('spiffe://example.org/web'), null)
    expect(identify(SpiffeId.parse('spiffe://example.org/web'), null).allowed).toBe(true)
    expect(identify(SpiffeId.parse('spiffe://example.org/web2'), null).allowed).toBe(false)
    expect(identify(SpiffeId.parse('spiffe://example.com/web'), null).allowed).toBe(false)
  })

  test('are decided anew where they call on behalf of another, and nothing of that is remembered', () => {
    const identify = identifierOf(
      callers('spiffe://example.org/*/*'),
      callers('spiffe://example.org/bad/*'),
    )
    const web = idOf('/ok/web')
    expect(identify(web, null).allowed).toBe(true)
    expect(identify(web, chain).reason).toBe('denied')
    expect(identify(web, null).allowed).toBe(true)
  })

  test('are forgotten together when there are more than 1,024', () => {
    const matcher = new StartsWith('/ok', true)
    const identify = identifierOf(callers(matcher), null)
    const ids = Array.from({ length: 1025 }, (_, at) => idOf(`/ok/${at}`))
    for (const id of ids.slice(0, 1024)) identify(id, null)
    for (const id of ids.slice(0, 1024)) identify(id, null)
    expect(matcher.asked).toBe(1024)
    identify(ids[1024]!, null)
    identify(ids[0]!, null)
    expect(matcher.asked).toBe(1026)
  })

  test('are not kept where the SPIFFE ID is longer than 256 characters', () => {
    const matcher = new StartsWith('/ok', true)
    const identify = identifierOf(callers(matcher), null)
    const [longest, longer] = [256, 257].map((length) => idOf(`/ok/${'x'.repeat(length - 24)}`))
    expect(String(longest)).toHaveLength(256)
    for (let i = 0; i < 2; i++) for (const id of [longest!, longer!]) identify(id, null)
    expect(matcher.asked).toBe(3)
  })

  test('are not remembered for a caller without identity', () => {
    const identify = identifierOf(callers(matchPattern('spiffe://example.org/**')), null)
    expect(identify(null, null).reason).toBe('no-identity')
    expect(identify(idOf('/web'), null).allowed).toBe(true)
    expect(identify(null, null).reason).toBe('no-identity')
  })

  test('are not remembered for a rule that is public, whose denied callers are matched each time', () => {
    const denied = new StartsWith('/bad', true)
    const identify = identifierOf('public', callers(denied))
    for (let i = 0; i < 2; i++) {
      expect(identify(idOf('/bad/web'), null).reason).toBe('denied')
      expect(identify(idOf('/ok/web'), null).reason).toBe('public')
      expect(identify(null, null).reason).toBe('public')
    }
    expect(denied.asked).toBe(4)
    expect(identifierOf('public', null)(idOf('/bad/web'), null).reason).toBe('public')
  })
})
