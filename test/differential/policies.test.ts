import {
  mintRootCa,
  type KeyPair,
  type MintedCa,
  type RawExtension,
} from '@fastify-spiffe/authority'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import * as fc from 'fast-check'
import type { Judge, Question } from '../support/judges/judge.ts'
import { openOtherJudges } from '../support/judges/other-judges.ts'
import { ours } from '../support/judges/ours.ts'
import { NOW } from '../support/verdict.ts'
import { der, oid, SEQUENCE } from './der.ts'
import { keyOf } from './keys.ts'

// Certificate policies are held against judges that know nothing else: each chain is good but for them.

const CHAINS = 300
const LEAF = 'spiffe://home.test/web'

/** What a certificate says of policies: numbers, of which 0 is anyPolicy. */
interface Said {
  readonly policies: readonly number[] | null
  readonly mappings: readonly (readonly [from: number, to: number])[]
  readonly requireExplicitPolicy: number | null
  readonly inhibitPolicyMapping: number | null
  readonly inhibitAnyPolicy: number | null
  readonly isSelfIssued: boolean
}

const policy = fc.constantFrom(1, 1, 1, 2, 3)
const seldom = (weight: number): fc.Arbitrary<number | null> =>
  fc.oneof({ arbitrary: fc.constant(null), weight }, { arbitrary: fc.nat(2), weight: 1 })

const said: fc.Arbitrary<Said> = fc.record({
  policies: fc.oneof(
    { arbitrary: fc.constant(null), weight: 1 },
    {
      arbitrary: fc.uniqueArray(fc.constantFrom(0, 1, 1, 2, 3), { minLength: 1, maxLength: 3 }),
      weight: 9,
    },
  ),
  mappings: fc.oneof(
    { arbitrary: fc.constant([]), weight: 2 },
    { arbitrary: fc.array(fc.tuple(policy, policy), { minLength: 1, maxLength: 3 }), weight: 1 },
  ),
  requireExplicitPolicy: seldom(2),
  inhibitPolicyMapping: seldom(5),
  inhibitAnyPolicy: seldom(5),
  isSelfIssued: fc.constantFrom(false, false, false, true),
})

/** RFC 5280 §6.1.5 a: the leaf counts whatever its name is. For OpenSSL it does not when it is self-issued. */
const leaf = said.map((one): Said => Object.assign({}, one, { isSelfIssued: false }))

const chains: fc.Arbitrary<readonly Said[]> = fc
  .tuple(fc.array(said, { minLength: 1, maxLength: 4 }), leaf)
  .map(([issuers, last]) => issuers.concat(last))

const policyOid = (number: number): Buffer =>
  number === 0 ? oid(0x55, 0x1d, 0x20, 0) : oid(0x2b, 6, 1, 4, 1, number)

const count = (tag: number, value: number | null): readonly Buffer[] =>
  value === null ? [] : [der(tag, Buffer.from([value]))]

function extensionsOf(one: Said): RawExtension[] {
  const { policies, mappings } = one
  const constraints = [
    ...count(0x80, one.requireExplicitPolicy),
    ...count(0x81, one.inhibitPolicyMapping),
  ]
  const lists: readonly (readonly [type: string, parts: readonly Buffer[]])[] = [
    ['2.5.29.32', (policies ?? []).map((each) => der(SEQUENCE, policyOid(each)))],
    ['2.5.29.33', mappings.map((pair) => der(SEQUENCE, ...pair.map(policyOid)))],
    ['2.5.29.36', constraints],
  ]
  return [
    ...lists
      .filter(([, parts]) => parts.length > 0)
      .map(([type, parts]) => ({ oid: type, critical: true, value: der(SEQUENCE, ...parts) })),
    ...count(0x02, one.inhibitAnyPolicy).map((value) => ({
      oid: '2.5.29.54',
      critical: true,
      value,
    })),
  ]
}

let judges: readonly Judge[] = []
let anchor: MintedCa
let keys: readonly KeyPair[] = []

beforeAll(async () => {
  const all = await openOtherJudges((line) => void process.stdout.write(`${line}\n`))
  // pkijs has a tree of its own, which is not that of the RFC.
  judges = all.filter(({ name }) => name !== 'pkijs')
  for (const unused of all.filter(({ name }) => name === 'pkijs')) {
    await unused[Symbol.asyncDispose]()
  }
  const keyPair = await keyOf('anchor', 'ec-p256')
  anchor = await mintRootCa('home.test', { subject: 'CN=anchor', keyPair }, { clock: () => NOW })
  keys = await Promise.all([0, 1, 2, 3, 4].map((level) => keyOf(`policies ${level}`, 'ec-p256')))
})

afterAll(async () => {
  for (const judge of judges) await judge[Symbol.asyncDispose]()
})

/** The chain below the anchor, whose own certificate says nothing. */
async function mint(all: readonly Said[]): Promise<Question> {
  let issuer = anchor
  const issuers = all.slice(0, -1)
  for (const [level, one] of issuers.entries()) {
    issuer = await issuer.mintCa({
      subject: one.isSelfIssued ? issuer.subject : `CN=level ${level}`,
      uris: [],
      keyPair: keys[level]!,
      extraExtensions: extensionsOf(one),
    })
  }
  const last = all.at(-1)!
  const { chain } = await issuer.mint(LEAF, {
    subject: last.isSelfIssued ? issuer.subject : 'CN=leaf',
    keyPair: keys.at(-1)!,
    extraExtensions: extensionsOf(last),
  })
  return { chain, bundles: new Map([['home.test', [anchor.der]]]), now: NOW }
}

/** Of the chains: OpenSSL before 3.2 has the tree of RFC 5280, which loses some mappings of anyPolicy. */
const OPENSSL_DIFFERS = 0.02

test('policies are judged as Go judges them, which has the graph of RFC 9618, and nearly as OpenSSL', async () => {
  const sample = fc.sample(chains, { seed: 20_260_601, numRuns: CHAINS })
  const questions: Question[] = []
  for (const each of sample) questions.push(await mint(each))
  const own = await ours.judge(questions)
  for (const judge of judges) {
    const theirs = await judge.judge(questions)
    const differing = sample.flatMap((each, number) => {
      const [our, other] = [own[number]!, theirs[number]!]
      return our.accepted === other.accepted ? [] : [JSON.stringify([our, other, each])]
    })
    process.stdout.write(`${judge.name} differs on ${differing.length} of ${CHAINS} chains\n`)
    if (judge.name === 'openssl') {
      expect(differing.length).toBeLessThanOrEqual(CHAINS * OPENSSL_DIFFERS)
    } else {
      expect(differing).toEqual([])
    }
  }
  const codes = own.map(({ codes: [code = 'accepted'] }) => code)
  expect(new Set(codes)).toEqual(new Set(['accepted', 'no-valid-policy']))
  const accepted = codes.filter((code) => code === 'accepted').length
  expect(Math.min(accepted, CHAINS - accepted)).toBeGreaterThan(CHAINS / 5)
})
