import { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { internal, type KeyModule } from '../support/internals.ts'
import { check, type Target } from '../support/target.ts'

type Step = Parameters<KeyModule['decisionKey']>[0]
type Value = Parameters<KeyModule['decisionKey']>[1][number]

/** What a decision is about, as far as its key tells. */
interface Facts {
  readonly index: number
  readonly policyVersion: string | number | null
  readonly values: readonly Value[]
}

/** Two of them that look alike. */
interface Input {
  readonly one: Facts
  readonly other: Facts
}

/** Texts that could pass for the joints of a key. */
const texts = fc.oneof(
  fc
    .array(fc.constantFrom('', '-', ':', '|', '0', '1', '2', '0:', '1:', '3:', '"', 'a'), {
      maxLength: 4,
    })
    .map((parts) => parts.join('')),
  fc.string({ unit: 'binary', maxLength: 6 }),
)

const ids = ['spiffe://a/b', 'spiffe://a/b/c', 'spiffe://a'].map((text) => SpiffeId.parse(text))
const domains = ['a', 'a.b'].map((text) => TrustDomain.parse(text))

const value: fc.Arbitrary<Value> = fc.oneof(
  { weight: 6, arbitrary: texts },
  { weight: 2, arbitrary: fc.constant(undefined) },
)

// The type of an attribute is that of its name, so that both have the same.
const pairs: fc.Arbitrary<readonly (readonly [Value, Value])[]> = fc.array(
  fc.oneof(
    { weight: 6, arbitrary: fc.tuple(value, value) },
    { weight: 6, arbitrary: value.map((same): [Value, Value] => [same, same]) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...ids), fc.constantFrom(...ids)) },
    { weight: 1, arbitrary: fc.tuple(fc.constantFrom(...domains), fc.constantFrom(...domains)) },
  ),
  { minLength: 1, maxLength: 4 },
)

const inputs: fc.Arbitrary<Input> = fc
  .record({
    pairs,
    indexes: fc.tuple(fc.nat(2), fc.nat(2)),
    versions: fc.oneof(fc.constant([null, null] as const), fc.tuple(texts, texts)),
  })
  .map(({ pairs: all, indexes, versions }) => ({
    one: {
      index: indexes[0],
      policyVersion: versions[0],
      values: all.map(([left]) => left),
    },
    other: {
      index: indexes[1],
      policyVersion: versions[1],
      values: all.map(([, right]) => right),
    },
  }))

/** Two decisions have one key only if they are about the same. */
export async function openDecisionKeys(): Promise<Target<Input>> {
  const { decisionKey } = await internal<KeyModule>('policy/dist/rules/decision-key.js')
  const keyOf = ({ index, policyVersion, values }: Facts): string | number =>
    decisionKey(
      {
        index,
        varies: true,
        policyVersion: policyVersion === null ? null : () => policyVersion,
        sources: values.map(() => ({ varies: true })) as unknown as Step['sources'],
      },
      values,
    )
  return {
    inputs,
    read({ one, other }) {
      const isSame =
        one.index === other.index &&
        one.policyVersion === other.policyVersion &&
        one.values.every((left, index) => isEqual(left, other.values[index]))
      const hasOneKey = keyOf(one) === keyOf(other)
      check(hasOneKey === isSame, `the key ${keyOf(one)} and the key ${keyOf(other)}`)
      return isSame ? 'same' : 'different'
    },
    bytesOf: (input) => Buffer.from(JSON.stringify(input)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function isEqual(left: Value, right: Value): boolean {
  if (left === undefined || right === undefined) return left === right
  return JSON.stringify(left) === JSON.stringify(right)
}
