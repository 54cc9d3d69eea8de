import { authz, where, type AttributeProvider } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import * as fc from 'fast-check'
import Fastify from 'fastify'
import { check, type Target } from '../support/target.ts'

const GOOD = '1'
const WEB = 'spiffe://example.org/acme/web'

/** What a provider answers: `value` under its name, or something else in place of an answer. */
interface Input {
  readonly kind: 'value' | 'throws' | 'rejects' | 'get throws' | 'no answer'
  readonly value: unknown
  readonly notAfter: unknown
}

const anything = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom(GOOD, 1) },
  fc.constantFrom(
    GOOD,
    1,
    '2',
    '',
    '1\0',
    ' 1',
    '"1"',
    true,
    'true',
    0,
    -0,
    NaN,
    true,
    null,
    undefined,
  ),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constant([GOOD]),
  fc.constant({ toString: () => GOOD }),
  fc.anything({ withBigInt: true, withNullPrototype: true, withMap: true, withDate: true }),
)

const inputs: fc.Arbitrary<Input> = fc.record({
  kind: fc.oneof(
    { weight: 8, arbitrary: fc.constant('value' as const) },
    {
      weight: 2,
      arbitrary: fc.constantFrom(...(['throws', 'rejects', 'get throws', 'no answer'] as const)),
    },
  ),
  value: anything,
  notAfter: fc.oneof({ weight: 9, arbitrary: fc.constant(undefined) }, anything),
})

function provision({ kind, value, notAfter }: Input): unknown {
  switch (kind) {
    case 'value':
      return { get: () => value, ...(notAfter === undefined ? {} : { notAfter }) }
    case 'get throws':
      return {
        get: () => {
          throw new Error('no')
        },
      }
    case 'no answer':
      return value
    case 'rejects':
      return Promise.reject(new Error('no'))
    case 'throws':
    default:
      throw new Error('no')
  }
}

/**
 * What providers bring, whatever it is: the caller is let in by the one good value, and refused otherwise; and no value is
 * taken for another one that was asked about before.
 */
export async function openProviders(): Promise<Target<Input>> {
  let input: Input = { kind: 'value', value: GOOD, notAfter: undefined }
  const provider = { group: 'device', provide: () => provision(input) } as AttributeProvider
  const app = Fastify()
  await app.register(peer)
  await app.register(authz, { attributes: [provider], tenant: '/{tenant}/{workload}' })
  const isGoodLevel = where((attributes) => attributes['device.level'] === GOOD, {
    reads: ['device.level'],
  })
  app.get('/', { config: { spiffe: { anyAuthenticated: true, where: isGoodLevel } } }, () => 'in')
  await app.ready()
  return {
    inputs,
    async read(given) {
      input = given
      const { statusCode } = await injectAs(app, WEB, '/')
      const isGood = given.kind === 'value' && given.value === GOOD
      check(isGood || statusCode !== 200, 'it is let in')
      check(!isGood || given.notAfter !== undefined || statusCode === 200, 'it is not let in')
      check([200, 401, 403].includes(statusCode), `the status is ${statusCode}`)
      return String(statusCode)
    },
    bytesOf: (given) => Buffer.from(fc.stringify(given)),
    [Symbol.asyncDispose]: () => app.close(),
  }
}
