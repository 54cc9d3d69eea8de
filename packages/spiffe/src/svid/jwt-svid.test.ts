import { inspect } from 'node:util'
import { describe, expect, test } from '@jest/globals'
import { SECONDS, NOW, tokenOf, WEB, macToken, type Draft } from '../jwt-svid/jwt.test.support.ts'
import { JwtSvid, type JwtSvidOptions } from './jwt-svid.ts'

function parse(draft: Draft = {}, options: Partial<JwtSvidOptions> = {}): JwtSvid {
  return JwtSvid.parse(tokenOf(draft), { audience: 'orders', clock: () => NOW, ...options })
}

function invalid(): object {
  return expect.objectContaining({ code: 'invalid-svid' })
}

describe("the workload's own JWT-SVID", () => {
  test('says whose it is, whom it is for, and how long it is valid', () => {
    const token = tokenOf({ claims: { aud: ['orders', 'ledger'] } })
    const audience = ['ledger', 'orders']
    const svid = JwtSvid.parse(token, { audience, hint: 'internal', clock: () => NOW })
    expect(svid.spiffeId.toString()).toBe(WEB)
    expect(svid.audience).toEqual(['orders', 'ledger'])
    expect(svid.issuedAt).toBe(NOW)
    expect(svid.expiresAt).toBe(NOW + 300_000)
    expect(svid.keyId).toBe('1')
    expect(svid.hint).toBe('internal')
    expect(svid.token).toBe(token)
    expect(Object.isFrozen(svid)).toBe(true)
  })

  test('is expired at exp, and not a millisecond before', () => {
    const svid = parse()
    expect(svid.isExpired(svid.expiresAt - 1)).toBe(false)
    expect(svid.isExpired(svid.expiresAt)).toBe(true)
    expect(svid.isExpired(Number.NaN)).toBe(true)
  })

  test('shows its token nowhere but where it is asked for', () => {
    const svid = parse()
    const shown = [
      JSON.stringify(svid),
      inspect(svid),
      inspect(svid, { showHidden: true }),
      svid.toString(),
    ]
    const parts = svid.token.split('.')
    for (const text of shown) for (const part of parts) expect(text).not.toContain(part)
    expect(JSON.parse(JSON.stringify(svid))).toMatchObject({ spiffeId: WEB, audience: ['orders'] })
    expect(svid.toString()).toBe(`${WEB} for ["orders"], expires 2026-01-01T00:05:00.000Z`)
  })

  test.each<[string, Draft, Partial<JwtSvidOptions>]>([
    ['lacks one of the names that it was asked for', {}, { audience: ['orders', 'ledger'] }],
    ['is for somebody else', { claims: { aud: ['ledger'] } }, {}],
    ['has expired', { claims: { exp: SECONDS } }, {}],
    ['has no exp', { claims: { exp: undefined } }, {}],
    ['names no SPIFFE ID', { claims: { sub: 'web' } }, {}],
    ['has another member in its header', { header: { alg: 'ES256', jku: 'https://a.test' } }, {}],
    ['is a WIT-SVID', { header: { alg: 'ES256', typ: 'wit+jwt' } }, {}],
    ['is longer than any header may be', { claims: { filler: 'x'.repeat(60_000) } }, {}],
  ])('is refused when it %s', (_, draft, options) => {
    expect(() => parse(draft, options)).toThrow(invalid())
  })

  test('is refused when it is no JWT of an asymmetric key, and no error quotes it', () => {
    for (const token of ['', 'a.b', 'a.b.c.d', '{"payload":""}', macToken('HS256', 'secret')]) {
      const parseIt = (): JwtSvid => JwtSvid.parse(token, { audience: 'orders', clock: () => NOW })
      expect(parseIt).toThrow(invalid())
      if (token.length > 20) expect(parseIt).not.toThrow(token.split('.')[1])
    }
  })

  test('needs to know for whom it was asked', () => {
    for (const audience of ['', [], ['']]) {
      expect(() => parse({}, { audience })).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      )
    }
  })
})
