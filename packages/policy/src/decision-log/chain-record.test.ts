import { SpiffeId } from '@fastify-spiffe/spiffe'
import { expect, test } from '@jest/globals'
import type { CallChain } from '../call.ts'
import { type ChainRecord, chainRecordOf } from './chain-record.ts'

const idOf = (path: string): SpiffeId => SpiffeId.parse(`spiffe://example.org/${path}`)
const [WEB, API] = [idOf('web'), idOf('api')]

function recordOf(via: readonly SpiffeId[], more: Partial<CallChain> = {}): ChainRecord {
  return chainRecordOf(API, { origin: WEB, via, evidence: 'signed', validUntil: 0, ...more })
}

test('a chain is kept as SPIFFE IDs, with how many there were', () => {
  expect(recordOf([idOf('a'), idOf('b')], { evidence: 'forwarded' })).toEqual({
    origin: WEB.toString(),
    via: ['spiffe://example.org/a', 'spiffe://example.org/b'],
    evidence: 'forwarded',
    chain_depth: 4,
  })
  expect(recordOf([])).toMatchObject({ via: [], chain_depth: 2 })
  expect(recordOf([], { origin: API })).toMatchObject({ via: [], chain_depth: 1 })
})

test('of a long chain the first workloads are kept, and the depth says how many there were', () => {
  const via = Array.from({ length: 9 }, (_, index) => idOf(`n${index}`))
  const { via: kept, chain_depth: depth } = recordOf(via)
  expect(kept).toEqual(via.slice(0, 8).map(String))
  expect(depth).toBe(11)
})

test('of long SPIFFE IDs no more are kept than 4096 characters', () => {
  // The longest that there are.
  const long = idOf('x'.repeat(2048 - 'spiffe://example.org/'.length))
  for (const last of [long, idOf('y')]) {
    expect(recordOf([long, long, last])).toMatchObject({
      via: [long.toString(), long.toString()],
      chain_depth: 5,
    })
  }
})
