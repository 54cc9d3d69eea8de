import { SpiffeId } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import { describeStated, thinkUp } from './think-up.ts'

const ID = (name: string): string => `spiffe://example.org/${name}`
const [WEB, RELAY, PROXY] = [ID('web'), ID('relay'), ID('proxy')]

describe('a call that is thought up', () => {
  test('on behalf of an origin is signed, and directly from it, unless more is said', () => {
    const { chain } = thinkUp(SpiffeId.parse(RELAY), { chain: { origin: WEB } }, 'GET')
    expect({ ...chain, origin: String(chain?.origin) }).toEqual({
      origin: WEB,
      via: [],
      evidence: 'signed',
      validUntil: Infinity,
    })
  })

  test('carries the chain that is stated', () => {
    const stated = { origin: WEB, via: [PROXY, RELAY], evidence: 'forwarded' } as const
    const { chain } = thinkUp(SpiffeId.parse(RELAY), { chain: stated }, 'GET')
    expect(chain?.via.map(String)).toEqual([PROXY, RELAY])
    expect(chain?.evidence).toBe('forwarded')
  })
})

test.each([
  [{}, ''],
  [{ proof: 'x509-svid' }, ''],
  [{ proof: 'jwt-svid' }, ' by jwt-svid'],
  [{ chain: { origin: WEB } }, ` on behalf of ${WEB}`],
  [{ chain: { origin: WEB, evidence: 'signed' } }, ` on behalf of ${WEB}`],
  [{ chain: { origin: WEB, via: [PROXY, RELAY] } }, ` on behalf of ${WEB}, via ${PROXY}, ${RELAY}`],
  [{ chain: { origin: WEB, evidence: 'forwarded' } }, ` on behalf of ${WEB} (forwarded)`],
] as const)('what is stated of a call is told to people: %j', (stated, text) => {
  expect(describeStated(stated)).toBe(text)
})
