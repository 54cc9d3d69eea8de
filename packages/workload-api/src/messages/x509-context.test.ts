import { mintRootCa } from '@fastify-spiffe/authority'
import type { MintedCa, SvidTemplate } from '@fastify-spiffe/authority'
import { RevocationList } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'

import { WorkloadApiError } from '../errors.ts'
import { parseX509Bundles } from './bundles.ts'
import type { RawX509Svid, RawX509SvidResponse } from './decode.ts'
import { LIMITS } from './limits.ts'
import { parseX509Context } from './x509-context.ts'

const WEB = 'spiffe://example.org/web'
const API = 'spiffe://example.org/api'

let authority: MintedCa
let foreign: MintedCa
let web: RawX509Svid
let api: RawX509Svid

beforeAll(async () => {
  authority = await mintRootCa('example.org')
  foreign = await mintRootCa('other.test')
  web = await svid(authority, WEB)
  api = await svid(authority, API)
})

async function svid(
  by: MintedCa,
  spiffeId: string,
  shape: SvidTemplate = {},
): Promise<RawX509Svid> {
  const minted = await by.mint(spiffeId, shape)
  return {
    spiffeId,
    x509Svid: minted.certificates,
    x509SvidKey: minted.privateKey,
    bundle: by.der,
    hint: '',
  }
}

function parse(
  svids: readonly RawX509Svid[],
  {
    federated = {},
    crl = [],
    clock = Date.now,
  }: {
    federated?: Record<string, Buffer>
    crl?: readonly Buffer[]
    clock?: () => number
  } = {},
) {
  const message: RawX509SvidResponse = {
    svids: svids.map((raw) => ({ ...raw, x509SvidKey: Buffer.from(raw.x509SvidKey) })),
    crl,
    federatedBundles: new Map(Object.entries(federated)),
  }
  const { value, problems } = parseX509Context(message, clock)
  return {
    message,
    ids: value.svids.map(({ spiffeId }) => spiffeId.toString()),
    domains: [...value.bundles].map(({ trustDomain }) => trustDomain.name),
    problems: problems.map(({ part, error }) => `${part}: ${error.code}`),
    value,
  }
}

function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof WorkloadApiError) return error.code
    throw error
  }
  throw new Error('it was accepted')
}

const twoHoursOn = (): number => Date.now() + 2 * 3_600_000

const bundles = (entries: Record<string, Buffer>) =>
  parseX509Bundles({ crl: [], bundles: new Map(Object.entries(entries)) })

describe('an X.509 context', () => {
  test('has the SVIDs in their order, and every bundle under its trust domain', () => {
    const context = parse([web, api], { federated: { 'spiffe://other.test': foreign.der } })
    expect(context.ids).toEqual([WEB, API])
    expect(context.domains).toEqual(['example.org', 'other.test'])
    expect(context.problems).toEqual([])
  })

  test('cannot be changed', () => {
    const { value } = parse([web])
    expect([value, value.svids].every(Object.isFrozen)).toBe(true)
  })

  test('leaves no private key in the message, whether it is good or not', () => {
    const bad: RawX509Svid = {
      ...api,
      x509SvidKey: Buffer.from(api.x509SvidKey),
      bundle: foreign.der,
    }
    const message = { svids: [bad], crl: [], federatedBundles: new Map<string, Buffer>() }
    expect(refusal(() => parseX509Context(message, Date.now))).toBe('untrusted-svid')
    for (const { x509SvidKey } of [...message.svids, ...parse([web, api]).message.svids]) {
      expect(x509SvidKey.every((byte) => byte === 0)).toBe(true)
    }
  })

  test('is judged by the clock', () => {
    expect(refusal(() => parse([web], { clock: twoHoursOn }))).toBe('invalid-svid')
  })

  test.each<[string, (good: RawX509Svid) => RawX509Svid, string]>([
    ['certificate', (good) => ({ ...good, x509Svid: Buffer.from('garbage') }), 'invalid-svid'],
    ['key', (good) => ({ ...good, x509SvidKey: Buffer.from('garbage') }), 'invalid-svid'],
    ['key of another', (good) => ({ ...good, x509SvidKey: web.x509SvidKey }), 'key-mismatch'],
    ['bundle', (good) => ({ ...good, bundle: Buffer.from('garbage') }), 'invalid-bundle'],
    ['bundle of another', (good) => ({ ...good, bundle: foreign.der }), 'untrusted-svid'],
    ['ID', (good) => ({ ...good, spiffeId: 'https://example.org/api' }), 'invalid-svid'],
    ['ID of another', (good) => ({ ...good, spiffeId: WEB }), 'invalid-svid'],
  ])(
    'with a bad %s is refused when it comes first, and goes without it later',
    (_what, spoil, code) => {
      expect(refusal(() => parse([spoil(api), web]))).toBe(code)
      const context = parse([web, spoil(api)])
      expect(context.ids).toEqual([WEB])
      expect(context.problems).toEqual([`svid: ${code}`])
      expect(context.value.bundles.size).toBe(1)
    },
  )

  test('keeps the bundle of a bad SVID out, and a federated one in its place too', async () => {
    const bad = await svid(foreign, 'spiffe://other.test/web', { corruptSignature: true })
    const context = parse([web, bad], { federated: { 'spiffe://other.test': authority.der } })
    expect(context.domains).toEqual(['example.org'])
    expect(context.problems).toEqual(['svid: untrusted-svid', 'bundle: invalid-bundle'])
  })

  test('takes bundles for equal whatever the order of their authorities', async () => {
    const second = await mintRootCa('example.org')
    const one = Buffer.concat([authority.der, second.der])
    const other = Buffer.concat([second.der, authority.der])
    const context = parse([
      { ...web, bundle: one },
      { ...api, bundle: other },
    ])
    expect(context.ids).toEqual([WEB, API])
  })

  test('is refused when one bundle of a trust domain has an authority more than another', async () => {
    const second = await mintRootCa('example.org')
    const larger = { ...api, bundle: Buffer.concat([authority.der, second.der]) }
    expect(refusal(() => parse([web, larger]))).toBe('conflicting-bundles')
  })

  test('is refused over any limit', () => {
    const many = Array.from({ length: LIMITS.bundles }, (_, index) => [
      `spiffe://d${index}.test`,
      web.bundle,
    ])
    const large = Buffer.alloc(LIMITS.bundleBytes + 1)
    const hundred = Array.from({ length: LIMITS.svids + 1 }, () => web)
    expect(refusal(() => parse(hundred))).toBe('limit-exceeded')
    expect(refusal(() => parse([web], { federated: Object.fromEntries(many) }))).toBe(
      'limit-exceeded',
    )
    expect(refusal(() => parse([{ ...web, bundle: large }]))).toBe('limit-exceeded')
    expect(refusal(() => parse([web], { federated: { 'spiffe://other.test': large } }))).toBe(
      'limit-exceeded',
    )
  })
})

describe('a set of X.509 bundles', () => {
  test('leaves a bad bundle out, and reports it', () => {
    const { value, problems } = bundles({
      'spiffe://example.org': authority.der,
      'spiffe://other.test': Buffer.from('garbage'),
    })
    expect([...value].map(({ trustDomain }) => trustDomain.name)).toEqual(['example.org'])
    expect(problems.map(({ error }) => error.code)).toEqual(['invalid-bundle'])
  })

  test('is refused when there is none, or none that is good', () => {
    expect(refusal(() => bundles({}))).toBe('invalid-message')
    expect(refusal(() => bundles({ 'spiffe://other.test': Buffer.from('garbage') }))).toBe(
      'invalid-message',
    )
  })

  test('is refused over any limit', () => {
    const large = Buffer.alloc(LIMITS.bundleBytes + 1)
    const many = Array.from({ length: LIMITS.bundles + 1 }, (_, index) => [
      `spiffe://d${index}.test`,
      large,
    ])
    expect(refusal(() => bundles({ 'spiffe://example.org': large }))).toBe('limit-exceeded')
    expect(refusal(() => bundles(Object.fromEntries(many)))).toBe('limit-exceeded')
  })
})

const listsOf = ({ value }: ReturnType<typeof parse>): Record<string, string[]> =>
  Object.fromEntries(
    [...value.bundles].map(({ trustDomain, revocationLists }) => [
      trustDomain.name,
      revocationLists.map(({ raw }) => raw.toString('hex')),
    ]),
  )
const federated = (): Record<string, Buffer> => ({ 'spiffe://other.test': foreign.der })

describe('the revocation lists of a message', () => {
  test('go to the bundle of the authority that signed them', async () => {
    const own = await authority.mintRevocationList({ revoked: ['01'] })
    const other = await foreign.mintRevocationList({ revoked: ['02'] })
    const context = parse([web], { federated: federated(), crl: [other, own] })
    expect(context.problems).toEqual([])
    expect(listsOf(context)).toEqual({
      'example.org': [own.toString('hex')],
      'other.test': [other.toString('hex')],
    })
    const { value } = parseX509Bundles({
      crl: [other],
      bundles: new Map([['spiffe://other.test', foreign.der]]),
    })
    expect([...value][0]?.revocationLists).toHaveLength(1)
  })

  test('may be signed by an intermediate that came with an own SVID', async () => {
    const intermediate = await authority.mintCa()
    const below = { ...(await svid(intermediate, WEB)), bundle: authority.der }
    const list = await intermediate.mintRevocationList()
    expect(listsOf(parse([below], { crl: [list] }))).toEqual({
      'example.org': [list.toString('hex')],
    })
    expect(parse([web], { crl: [list] }).problems).toEqual(['bundle: invalid-revocation-list'])
  })

  test('go to both bundles when two trust domains share an authority', async () => {
    const list = await authority.mintRevocationList()
    const shared = { 'spiffe://other.test': authority.der }
    const context = parse([web], { federated: shared, crl: [list] })
    expect(Object.values(listsOf(context)).map(({ length }) => length)).toEqual([1, 1])
  })

  test('that cannot be used are reported, and spoil neither the good ones nor the message', async () => {
    const good = await authority.mintRevocationList()
    const stranger = await mintRootCa('example.org')
    const delta = { oid: '2.5.29.27', critical: true, value: Buffer.from([2, 1, 1]) }
    const bad = [
      Buffer.alloc(0),
      Buffer.from('junk'),
      await stranger.mintRevocationList(),
      await authority.mintRevocationList({ corruptSignature: true }),
      await authority.mintRevocationList({ extraExtensions: [delta] }),
    ]
    const context = parse([web], { crl: [...bad, good] })
    expect(context.ids).toEqual([WEB])
    expect(context.problems).toEqual(bad.map(() => 'bundle: invalid-revocation-list'))
    expect(listsOf(context)).toEqual({ 'example.org': [good.toString('hex')] })
  })

  test('beyond the limit are left out and reported once', async () => {
    const list = await authority.mintRevocationList()
    const crl = Array.from({ length: LIMITS.revocationLists + 10 }, () => list)
    const context = parse([web], { crl })
    expect(context.problems).toEqual(['bundle: invalid-revocation-list'])
    // Each once: they are the same.
    expect(listsOf(context)['example.org']).toHaveLength(1)
  })

  test('beyond the limit of their bytes are left out', async () => {
    const list = await authority.mintRevocationList()
    const padding = Buffer.alloc(LIMITS.revocationListBytes - list.length)
    const fitting = parse([web], { crl: [padding, list] })
    expect(fitting.problems).toHaveLength(1)
    expect(listsOf(fitting)['example.org']).toHaveLength(1)
    const larger = parse([web], { crl: [padding, Buffer.alloc(1), list] })
    expect(larger.problems).toHaveLength(3)
    expect(listsOf(larger)['example.org']).toEqual([])
  })

  test('take no more signature checks than the limit allows', async () => {
    const { subject } = authority
    const namesakes = await Promise.all(
      Array.from({ length: 12 }, () => mintRootCa('other.test', { subject })),
    )
    const list = await authority.mintRevocationList()
    const crowd = Buffer.concat(namesakes.map(({ der }) => der))
    const crl = Array.from({ length: LIMITS.revocationLists }, () => list)
    const { problems } = parse([web], { federated: { 'spiffe://other.test': crowd }, crl })
    expect(problems.length).toBe(LIMITS.revocationLists - Math.floor(LIMITS.listChecks / 13))
  })

  test('are equal objects from message to message only by their octets', async () => {
    const list = RevocationList.fromDer(await authority.mintRevocationList())
    const [one, two] = [parse([web], { crl: [list.raw] }), parse([web], { crl: [list.raw] })]
    expect(one.value.bundles.equals(two.value.bundles)).toBe(true)
    expect(one.value.bundles.equals(parse([web]).value.bundles)).toBe(false)
  })
})
