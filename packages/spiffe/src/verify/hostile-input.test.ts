import { X509Certificate } from 'node:crypto'
import { expect, test } from '@jest/globals'
import { TrustDomain } from '../id/spiffe-id.ts'
import { tlv } from '../der/der.test.support.ts'
import { TAG } from '../der/tags.ts'
import { SpiffeError } from '../errors.ts'
import { BundleSet } from '../bundle/bundle-set.ts'
import { X509Bundle } from '../x509/bundle.ts'
import { Certificate } from '../x509/certificate.ts'
import {
  bitString,
  commonName,
  extension,
  forge,
  newKeyPair,
  TRUE,
} from '../x509/x509.test.support.ts'
import { refusalCodes } from './refusal.ts'
import { verifyX509Svid } from './verify-x509-svid.ts'

const authorityKeys = newKeyPair()
const authority = forge({
  subjectKeys: authorityKeys,
  subject: commonName('issuer'),
  extensions: [
    extension('2.5.29.15', true, bitString(Buffer.from([0x06]), 1)),
    extension('2.5.29.19', true, tlv(TAG.sequence, TRUE)),
  ],
})
const leaf = forge({ issuerKeys: authorityKeys })
const bundles = BundleSet.of(X509Bundle.fromDer(TrustDomain.parse('example.org'), authority))

/** A small generator with a seed (xorshift32), so that a failure can be run again. */
function random(seed: number): (below: number) => number {
  let state = seed
  return (below) => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return (state >>> 0) % below
  }
}

/** Changes, cuts or doubles a few octets. */
function mutate(der: Buffer, next: (below: number) => number): Buffer {
  let mutant: Buffer = Buffer.from(der)
  for (let changes = 1 + next(3); changes > 0; changes -= 1) {
    const at = next(mutant.length)
    const kind = next(4)
    if (kind < 2) mutant[at] = next(256)
    else if (kind === 2) mutant = Buffer.concat([mutant.subarray(0, at), mutant.subarray(at + 1)])
    else mutant = Buffer.concat([mutant.subarray(0, at), mutant.subarray(at - next(9))])
  }
  return mutant
}

test('a certificate with changed octets is refused by an error of ours or by the verifier', () => {
  expect(verifyX509Svid([Certificate.fromDer(leaf)], bundles).ok).toBe(true)
  const next = random(0x5eed)
  const seen = { unreadable: 0, refused: 0 }
  for (let round = 0; round < 20_000; round += 1) {
    const mutant = mutate(leaf, next)
    if (mutant.equals(leaf)) continue
    try {
      const verification = verifyX509Svid([Certificate.fromDer(mutant)], bundles)
      if (verification.ok) throw new Error(`accepted: ${mutant.toString('hex')}`)
      seen.refused += 1
    } catch (error) {
      if (!(error instanceof SpiffeError)) throw error
      seen.unreadable += 1
    }
  }
  expect(seen.unreadable).toBeGreaterThan(1000)
  expect(seen.refused).toBeGreaterThan(1000)
})

test('what OpenSSL takes and is not strict DER is refused as malformed', () => {
  const twice = forge({
    issuerKeys: authorityKeys,
    extensions: [1, 2].map(() => extension('1.2.3.4', false, TRUE)),
  })
  const verification = verifyX509Svid([new X509Certificate(twice)], bundles)
  expect(verification).toMatchObject({ ok: false, code: 'malformed' })
})

test.each([
  ['an object', '[{}]'],
  ['null', '[null]'],
  ['an object with octets', '[{ "raw": [1, 2, 3] }]'],
  ['no list', '{ "length": 1 }'],
  ['nothing', 'null'],
])('%s in the place of a certificate is refused as malformed', (_, json) => {
  // Callers without types can pass anything.
  const verification = verifyX509Svid(JSON.parse(json), bundles)
  expect(verification).toMatchObject({ ok: false, code: 'malformed' })
})

test('a clock or a budget that is not a number refuses', () => {
  const chain = [Certificate.fromDer(leaf)]
  const codeWith = (options: Parameters<typeof verifyX509Svid>[2]): string => {
    const verification = verifyX509Svid(chain, bundles, options)
    return verification.ok ? 'accepted' : verification.code
  }
  const nan = Number.NaN
  expect(codeWith({})).toBe('accepted')
  expect(codeWith({ clock: () => nan })).toBe('not-yet-valid')
  expect(codeWith({ budget: { maxCertificates: nan } })).toBe('too-many-certificates')
  expect(codeWith({ budget: { maxBytes: nan } })).toBe('too-many-bytes')
  expect(codeWith({ budget: { maxSignatureChecks: nan } })).toBe('budget-exceeded')
})

test('the list of codes has each once and cannot be changed', () => {
  expect(new Set(refusalCodes).size).toBe(refusalCodes.length)
  expect(Object.isFrozen(refusalCodes)).toBe(true)
})
