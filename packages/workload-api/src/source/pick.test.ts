import { mintRootCa } from '@fastify-spiffe/authority'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import type { X509Svid } from '@fastify-spiffe/spiffe'
import { beforeAll, describe, expect, test } from '@jest/globals'

import { toPicker } from './pick.ts'

let web: X509Svid
let api: X509Svid
let stranger: X509Svid

beforeAll(async () => {
  const authority = await mintRootCa('example.org')
  const svid = async (path: string, hint: string) =>
    (await authority.mint(`spiffe://example.org/${path}`)).toX509Svid({ hint })
  web = await svid('web', 'external')
  api = await svid('api', 'internal')
  stranger = await svid('stranger', '')
})

describe('the pick', () => {
  test('is the first SVID by default', () => {
    expect(toPicker(undefined)([web, api])).toBe(web)
  })

  test('can be a SPIFFE ID', () => {
    expect(toPicker('spiffe://example.org/api')([web, api])).toBe(api)
    expect(toPicker(SpiffeId.parse('spiffe://example.org/api'))([web, api])).toBe(api)
    expect(toPicker('spiffe://example.org/none')([web, api])).toBeUndefined()
  })

  test('can be a hint', () => {
    expect(toPicker({ hint: 'internal' })([web, api])).toBe(api)
    expect(toPicker({ hint: 'none' })([web, api])).toBeUndefined()
  })

  test('can be a function, which may find nothing', () => {
    expect(toPicker((svids) => svids.at(-1))([web, api])).toBe(api)
    expect(toPicker(() => undefined)([web, api])).toBeUndefined()
  })

  test('is nothing when a function returns an SVID that was not in the list', () => {
    expect(toPicker(() => stranger)([web, api])).toBeUndefined()
  })

  test('reports a function that throws', () => {
    const picker = toPicker(() => {
      throw new Error('mine')
    })
    expect(() => picker([web])).toThrow(
      expect.objectContaining({ code: 'no-match', cause: new Error('mine') }),
    )
  })

  test.each(['web', 'spiffe://example.org/', ''])('cannot be %j', (pick) => {
    expect(() => toPicker(pick)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })
})
