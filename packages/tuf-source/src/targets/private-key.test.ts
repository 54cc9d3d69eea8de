import { generateKeyPairSync } from 'node:crypto'
import { mintRootCa } from '@fastify-spiffe/authority'
import { Bundle, BundleSet, stringifyBundleMap, X509Bundle } from '@fastify-spiffe/spiffe'
import { describe, expect, test } from '@jest/globals'
import { holdsPrivateKey } from './private-key.ts'

const ec = generateKeyPairSync('ec', { namedCurve: 'P-256' })
const rsa = generateKeyPairSync('rsa', { modulusLength: 2048 })
const ed = generateKeyPairSync('ed25519')
const pem = ec.privateKey.export({ format: 'pem', type: 'pkcs8' }).toString()
const jwk = ec.privateKey.export({ format: 'jwk' })
const encrypted = { cipher: 'aes-256-cbc', passphrase: 'x' } as const
const base64 = ec.privateKey.export({ format: 'der', type: 'pkcs8' }).toString('base64')

describe('a private key is found', () => {
  test.each<[string, string | Buffer]>([
    ['in PEM', pem],
    ['in PEM, encrypted', ec.privateKey.export({ format: 'pem', type: 'pkcs8', ...encrypted })],
    ['in PEM of SEC 1', ec.privateKey.export({ format: 'pem', type: 'sec1' })],
    [
      'in PEM after a certificate',
      `-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n${pem}`,
    ],
    ['in PEM of OpenSSH', '-----BEGIN OPENSSH PRIVATE KEY-----'],
    ['in PEM of OpenPGP', '-----BEGIN PGP PRIVATE KEY BLOCK-----'],
    ['in PEM of UTF-16', Buffer.from(pem, 'utf16le')],
    ['of PuTTY', 'PuTTY-User-Key-File-3: ssh-ed25519'],
    ['of age', 'AGE-SECRET-KEY-1QQQQ'],
    ['in DER of PKCS #8', ec.privateKey.export({ format: 'der', type: 'pkcs8' })],
    ['in DER of PKCS #8, Ed25519', ed.privateKey.export({ format: 'der', type: 'pkcs8' })],
    ['in DER, encrypted', ec.privateKey.export({ format: 'der', type: 'pkcs8', ...encrypted })],
    ['in DER of SEC 1', ec.privateKey.export({ format: 'der', type: 'sec1' })],
    ['in DER of PKCS #1', rsa.privateKey.export({ format: 'der', type: 'pkcs1' })],
    ['as a JWK', JSON.stringify(jwk)],
    ['as a JWK in a set', JSON.stringify({ keys: [{ kty: 'EC' }, jwk] })],
    ['as a JWK of RSA', JSON.stringify(rsa.privateKey.export({ format: 'jwk' }))],
    ['as a symmetric JWK', JSON.stringify({ kty: 'oct', k: 'AAAA' })],
    ['as a JWK with escapes', '{"k\\u0074y":"oct","\\u006b":"AAAA"}'],
    ['as a JWK with a member twice', '{"keys":[],"keys":[{"kty":"EC","d":"AAAA"}]}'],
    ['deep in a policy', JSON.stringify({ routes: [{ note: { more: [pem] } }] })],
    ['in a string of JSON in JSON', JSON.stringify({ bundle: JSON.stringify({ keys: [jwk] }) })],
    ['in base64 in JSON', JSON.stringify({ secret: base64 })],
    [
      'in base64 of PEM in JSON',
      JSON.stringify({ 'tls.key': Buffer.from(pem).toString('base64') }),
    ],
    ['in base64', `${base64}\n`],
    ['as the name of a member', JSON.stringify({ [pem]: 1 })],
  ])('%s', (_, content) => {
    expect(holdsPrivateKey(Buffer.from(content))).toBe(true)
  })
})

describe('nothing is found', () => {
  test.each<[string, string | Buffer]>([
    ['in a public key', ec.publicKey.export({ format: 'pem', type: 'spki' })],
    ['in a public key in DER', rsa.publicKey.export({ format: 'der', type: 'pkcs1' })],
    ['in a public JWK', JSON.stringify({ keys: [rsa.publicKey.export({ format: 'jwk' })] })],
    ['in members of other objects', '{"d":1,"p":2,"k":{"q":"kty"}}'],
    ['in a policy', '{"version":"1","routes":{"GET /":{"allow":["spiffe://example.org/a"]}}}'],
    ['in an empty file', ''],
    ['in rubbish', Buffer.from([0x30, 0x80, 0, 0xff])],
    ['in null', 'null'],
  ])('%s', (_, content) => {
    expect(holdsPrivateKey(Buffer.from(content))).toBe(false)
  })

  test('in bundles and maps of them', async () => {
    const ca = await mintRootCa('a.test')
    const bundle = Bundle.of(ca.trustDomain, {
      x509: X509Bundle.of(ca.trustDomain, [ca.certificate]),
    })
    expect(holdsPrivateKey(Buffer.from(bundle.stringify()))).toBe(false)
    expect(holdsPrivateKey(Buffer.from(stringifyBundleMap(BundleSet.of(bundle))))).toBe(false)
    expect(holdsPrivateKey(ca.certificate.raw)).toBe(false)
  })
})
