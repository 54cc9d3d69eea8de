import { randomBytes } from 'node:crypto'
import { mintRootCa } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import { asSigner, errorResponse, revoked, UNKNOWN } from '@fastify-spiffe-test/kit/ocsp-responses'
import { mintResponder, Scene, SERVER_AUTH } from './scene.test.helper.ts'
import { verifyOcspResponse } from './verify-ocsp-response.ts'

const HOUR = 3_600_000

let scene: Scene

beforeAll(async () => {
  scene = await Scene.make()
})

/** Each row is one that a library of JavaScript gets wrong, or gets right as all of them have to. */
describe('the table of answers', () => {
  test('a delegated responder that says good is good', () => {
    expect(scene.verdict(scene.by(scene.delegate))).toBe('good')
  })

  test('the issuer that says good itself, and sends its certificate, is good', () => {
    expect(scene.verdict(scene.by(scene.asIssuer))).toBe('good')
  })

  test('the issuer that says good itself, and sends no certificate, is good', () => {
    expect(scene.verdict(scene.byIssuer())).toBe('good')
    expect(scene.verdict(scene.byIssuer({ responderId: 'key' }))).toBe('good')
  })

  test('an answer with the nonce of the request is good', () => {
    const nonce = randomBytes(32)
    const options = { nonce, requireNonce: true }
    expect(scene.verdict(scene.by(scene.delegate, { nonce }), options)).toBe('good')
  })

  test('a responder without the purpose OCSPSigning is refused', async () => {
    for (const extendedKeyUsage of [[SERVER_AUTH], ['2.5.29.37.0'], 'absent'] as const) {
      const responder = await mintResponder(scene.ca, { extendedKeyUsage })
      expect(scene.verdict(scene.by(responder))).toBe('responder-not-authorized')
    }
  })

  test('an answer that any other certificate of the CA has signed is refused', async () => {
    const leaf = await scene.ca.mint('', { uris: [], dnsNames: ['other.test'] })
    expect(scene.verdict(scene.by(asSigner(leaf)))).toBe('responder-not-authorized')
  })

  test('a responder of a foreign CA is refused, of the same name too', async () => {
    for (const subject of ['O=Other CA', 'O=Web CA']) {
      const foreign = await mintRootCa('other.test', { subject })
      const responder = await mintResponder(foreign)
      expect(scene.verdict(scene.by(responder))).toBe('responder-not-authorized')
    }
  })

  test('a responder whose certificate has expired is refused', async () => {
    const notAfter = Date.now() - HOUR
    const template = { notBefore: notAfter - HOUR, notAfter }
    const responder = await mintResponder(scene.ca, template)
    expect(scene.verdict(scene.by(responder))).toBe('responder-expired')
  })

  test('an answer of which one octet is another is refused', () => {
    const good = scene.byIssuer()
    const at = good.indexOf(Buffer.from('8000', 'hex'))
    const tampered = Buffer.from(good)
    // good becomes unknown.
    tampered[at] = 0x82
    expect(scene.verdict(tampered)).toBe('bad-signature')
  })

  test('an answer whose next update is long past is refused', () => {
    const now = Date.now()
    const old = { thisUpdate: now - 48 * HOUR, nextUpdate: now - 24 * HOUR }
    expect(scene.verdict(scene.byIssuer({ singles: [scene.single(old)] }))).toBe('expired')
  })

  test('an answer from the future is refused', () => {
    const now = Date.now()
    const early = { thisUpdate: now + HOUR, nextUpdate: now + 2 * HOUR }
    expect(scene.verdict(scene.byIssuer({ singles: [scene.single(early)] }))).toBe('not-yet-valid')
  })

  test('an answer without a next update is refused', () => {
    const endless = scene.single({ nextUpdate: null })
    expect(scene.verdict(scene.byIssuer({ singles: [endless] }))).toBe('no-next-update')
  })

  test('a real answer for another certificate says nothing', () => {
    const other = scene.single({ serial: Buffer.from('01', 'hex') })
    expect(scene.verdict(scene.byIssuer({ singles: [other] }))).toBe('no-match')
  })

  test('revoked is reported, with its time and its reason', () => {
    const at = Math.floor(Date.now() / 1000) * 1000 - HOUR
    const singles = [scene.single({ status: revoked(at, 1) })]
    const verification = verifyOcspResponse(scene.byIssuer({ singles }), scene)
    expect(verification).toMatchObject({
      ok: true,
      answer: { status: 'revoked', revokedAt: at, reason: 'keyCompromise', signer: 'issuer' },
    })
    const silent = scene.byIssuer({ singles: [scene.single({ status: revoked(at) })] })
    expect(scene.verdict(silent)).toBe('revoked')
  })

  test('unknown is reported', () => {
    const singles = [scene.single({ status: UNKNOWN })]
    expect(scene.verdict(scene.byIssuer({ singles }))).toBe('unknown')
  })

  test('tryLater is reported, and so is each other error', () => {
    const codes = [1, 2, 3, 4, 5, 6, 7].map((status) => scene.verdict(errorResponse(status)))
    expect(codes).toEqual([
      'malformed-request',
      'internal-error',
      'try-later',
      'malformed',
      'signature-required',
      'unauthorized',
      'malformed',
    ])
  })
})
