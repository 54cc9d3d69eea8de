import { authz, where, type AttributeProvider } from '@fastify-spiffe/authz'
import { peer } from '@fastify-spiffe/peer'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import * as fc from 'fast-check'
import Fastify from 'fastify'
import { check, type Target } from '../support/target.ts'

const WEB = 'spiffe://example.org/acme/web'

/** What a provider answers: `value` under its name, or something else in place of an answer. */
interface Input {
  readonly kind: 'value' | 'throws' | 'rejects' | 'get throws' | 'no answer'
  readonly value: unknown
  readonly notAfter: unknown
}

const anything = fc.oneof(
  fc.constantFrom('high', 'low', '', 'High', 'high\0', 1, 0, -0, NaN, true, null, undefined),
  fc.string({ unit: 'binary', maxLength: 8 }),
  fc.constant(['high']),
  fc.constant({ toString: () => 'high' }),
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
  notAfter: fc.oneof(fc.constant(undefined), fc.constant(undefined), anything),
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
      throw new Error('no')
  }
}

/**
 * What providers bring, whatever it is: the caller is let in by the one good value, and refused otherwise; and no value is
 * taken for another one that was asked about before.
 */
export async function openProviders(): Promise<Target<Input>> {
  let input: Input = { kind: 'value', value: 'high', notAfter: undefined }
  const provider = { group: 'device', provide: () => provision(input) } as AttributeProvider
  const app = Fastify()
  await app.register(peer)
  await app.register(authz, { attributes: [provider] })
  const isHigh = where((attributes) => attributes['device.level'] === 'high', {
    reads: ['device.level'],
  })
  app.get('/', { config: { spiffe: { anyAuthenticated: true, where: isHigh } } }, () => 'in')
  await app.ready()
  return {
    inputs,
    async read(given) {
      input = given
      const { statusCode } = await injectAs(app, WEB, '/')
      const isGood = given.kind === 'value' && given.value === 'high'
      check(isGood || statusCode !== 200, 'it is let in')
      check(!isGood || given.notAfter !== undefined || statusCode === 200, 'it is not let in')
      check([200, 401, 403].includes(statusCode), `the status is ${statusCode}`)
      return String(statusCode)
    },
    bytesOf: (given) => Buffer.from(fc.stringify(given)),
    [Symbol.asyncDispose]: () => app.close(),
  }
}
