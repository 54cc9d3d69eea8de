import { matchAny, matchMemberOf, SpiffeId, SubjectAltNames } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import type { Caller } from '../call.ts'
import { RuleLocation } from '../location.ts'
import { type CompiledAltNames, compileAltNames } from './alt-names.ts'
import { compileCallers } from './callers.ts'
import type { Grant } from './grant.ts'

const [WEB, API] = ['spiffe://example.org/acme/web', 'spiffe://example.org/acme/api']
const PLACE = RuleLocation.ofRoute(['GET'], '/')
const granted = (...allow: unknown[]): Grant => compileCallers(PLACE, 'allow', allow)

const compiled = (subjectAltName: unknown, grant: Grant = granted(WEB)): CompiledAltNames | null =>
  compileAltNames(PLACE, new Map([['subjectAltName', subjectAltName]]), grant)

/** Why a rule does not boot. */
function faultOf(subjectAltName: unknown, grant?: Grant): string {
  try {
    compiled(subjectAltName, grant)
    return 'none'
  } catch (error) {
    expect(error).toMatchObject({ code: 'invalid-rule' })
    return (error as Error).message
  }
}

function callerWith(subjectAltNames?: SubjectAltNames | null): Caller {
  const caller = { serialNumber: '1', fingerprint256: 'AA', notAfter: 5000 }
  const spiffeId = SpiffeId.parse(WEB)
  return subjectAltNames === undefined
    ? { ...caller, spiffeId }
    : { ...caller, spiffeId, subjectAltNames }
}

/** What a demand comes to for a certificate: `allowed`, or the kind of the name that is missing. */
function outcome(demand: unknown, dns: string[] = [], ip: string[] = []): string {
  const names = SubjectAltNames.from({ dns, ip, uri: [WEB] })
  return outcomeFor(demand, callerWith(names))
}

function outcomeFor(demand: unknown, caller: Caller): string {
  const decision = compiled(demand)!.check(caller)
  if (decision.allowed) return 'allowed'
  expect(decision.reason).toBe('san-missing')
  return String(decision.detail)
}

describe('a demand for names', () => {
  test('is met by one of each kind', () => {
    const demand = { dns: ['a.example.org', 'B.example.org'], ip: ['192.0.2.1'] }
    expect(outcome(demand, ['b.example.org'], ['192.0.2.1'])).toBe('allowed')
    expect(outcome(demand, ['a.example.org'])).toBe('ip')
    expect(outcome(demand, ['c.example.org'], ['192.0.2.1'])).toBe('dns')
    expect(outcome(demand)).toBe('dns')
  })

  test('in a list is met together with the others', () => {
    const demand = [{ dns: ['a.example.org'] }, { dns: ['b.example.org'] }]
    expect(outcome(demand, ['a.example.org', 'b.example.org'])).toBe('allowed')
    expect(outcome(demand, ['a.example.org'])).toBe('dns')
    expect(outcome(demand, ['b.example.org'])).toBe('dns')
  })

  test('is met by a wildcard of the certificate', () => {
    expect(outcome({ dns: ['a.example.org'] }, ['*.example.org'])).toBe('allowed')
    expect(outcome({ dns: ['example.org'] }, ['*.example.org'])).toBe('dns')
  })

  test('for an address is met whatever the way in which it is written', () => {
    expect(outcome({ ip: ['2001:DB8:0:0::1'] }, [], ['2001:db8::1'])).toBe('allowed')
    expect(outcome({ ip: ['192.0.2.1'] }, [], ['::ffff:192.0.2.1'])).toBe('ip')
  })

  test('for the SPIFFE ID is met by the certificate of that workload', () => {
    expect(outcome({ uri: [WEB] })).toBe('allowed')
    const other = SubjectAltNames.from({ uri: [API] })
    expect(outcomeFor({ uri: [WEB] }, callerWith(other))).toBe('uri')
  })

  test('is never met by a caller without a certificate whose names are known', () => {
    for (const demand of [{ dns: ['a.example.org'] }, { uri: [WEB] }]) {
      expect(outcomeFor(demand, callerWith())).toBe('no-certificate')
      expect(outcomeFor(demand, callerWith(null))).toBe('no-certificate')
    }
  })

  test('is written down in canonical form', () => {
    const demand = { dns: ['A.Example.org'], ip: ['2001:DB8::0'], uri: [WEB] }
    expect(compiled(demand)!.demands).toEqual([
      { dns: ['a.example.org'], ip: ['2001:db8::'], uri: [WEB] },
    ])
  })

  test('is none where the rule has none', () => {
    expect(compileAltNames(PLACE, new Map(), 'anyAuthenticated')).toBeNull()
  })
})

describe('a demand that can never be met, or be read in two ways, does not boot:', () => {
  test.each<[string, unknown, string]>([
    ['nothing', [], 'demands nothing'],
    ['no kind', {}, 'must have one of dns, ip, uri'],
    ['no object', 'a.example.org', 'must be an object'],
    ['another kind', { email: ['a@example.org'] }, 'email'],
    ['an empty list', { dns: [] }, 'it is empty'],
    ['no list', { dns: 'a.example.org' }, 'must be a list'],
    ['no string', { dns: [1] }, 'must be a string'],
    ['a wildcard', { dns: ['*.example.org'] }, 'without a wildcard'],
    ['a U-label', { dns: ['bücher.example'] }, 'A-labels'],
    ['a dot at the end', { dns: ['a.example.org.'] }, 'a dot at its end'],
    ['a port', { dns: ['a.example.org:443'] }, 'a port'],
    ['an address as a DNS name', { dns: ['192.0.2.1'] }, 'addresses belong under ip'],
    ['a name as an address', { ip: ['a.example.org'] }, 'must be one IPv4 or IPv6 address'],
    ['a network', { ip: ['192.0.2.0/24'] }, 'must be one IPv4 or IPv6 address'],
    ['an address with an interface', { ip: ['fe80::1%eth0'] }, 'must be one IPv4 or IPv6 address'],
    ['a mapped address', { ip: ['::ffff:192.0.2.1'] }, 'write the IPv4 address'],
    ['a URI that is no SPIFFE ID', { uri: ['https://example.org/'] }, 'can never match'],
    ['the SPIFFE ID of no workload', { uri: ['spiffe://example.org'] }, 'the only URI'],
    ['a pattern', { uri: ['spiffe://example.org/*'] }, 'patterns belong under allow'],
    ['a SPIFFE ID that allow does not name', { uri: [API] }, 'allow does not name it'],
    ['one in a list', [{ dns: ['a.test'] }, { ip: ['x'] }], 'subjectAltName[1].ip[0]'],
  ])('%s', (_name, demand, why) => {
    expect(faultOf(demand)).toContain(why)
  })

  test('a SPIFFE ID of a trust domain that allow does not name', () => {
    const pattern = granted('spiffe://example.org/**')
    expect(faultOf({ uri: [API] }, pattern)).toBe('none')
    expect(faultOf({ uri: ['spiffe://other.test/web'] }, pattern)).toContain('allow does not name')
  })

  test('names of callers of any trust domain, whose authority can write what it likes', () => {
    const demand = { dns: ['a.example.org'] }
    const why = 'needs allow or roles whose entries all name their trust domains'
    for (const grant of ['anyAuthenticated', 'public', granted(WEB, matchAny())] as const) {
      expect(faultOf(demand, grant)).toContain(why)
    }
    expect(faultOf(demand, granted(matchMemberOf('example.org')))).toBe('none')
  })
})

test('what is quoted in an error is no text that could be a secret', () => {
  expect(faultOf({ dns: ['eyJhbGciOi secret'] })).not.toContain('secret')
})
