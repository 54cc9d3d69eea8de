import { generateKeyPairSync, type KeyObject } from 'node:crypto'
import { Certificate } from '../x509/certificate.ts'
import { commonName, forge, newKeyPair } from '../x509/x509.test.support.ts'

export type JwkMembers = Record<string, unknown>

const certifiedKeys = newKeyPair()

/** An authority, read. */
export function authorityNamed(name: string): Certificate {
  const der = forge({ subjectKeys: certifiedKeys, subject: commonName(name) })
  return Certificate.fromDer(der)
}

export function x509Jwk(certificate: Certificate, more: JwkMembers = {}): JwkMembers {
  return {
    ...certifiedKeys.publicKey.export({ format: 'jwk' }),
    use: 'x509-svid',
    x5c: [certificate.raw.toString('base64')],
    ...more,
  }
}

const keyPairs = new Map<string, ReturnType<typeof newKeyPair>>()

/** A key pair: one for each name, made once. */
export function keyPairOf(name: string): ReturnType<typeof newKeyPair> {
  const known = keyPairs.get(name)
  if (known !== undefined) return known
  const [type = ''] = name.split('/')
  const pair = type.startsWith('RSA')
    ? generateKeyPairSync('rsa', { modulusLength: Number(type.slice(3)) })
    : generateKeyPairSync('ec', { namedCurve: type })
  keyPairs.set(name, pair)
  return pair
}

export function jwkOf(publicKey: KeyObject, more: JwkMembers = {}): JwkMembers {
  return { ...publicKey.export({ format: 'jwk' }), ...more }
}

export function jwtJwk(kid: string, more: JwkMembers = {}, name = `P-256/${kid}`): JwkMembers {
  return jwkOf(keyPairOf(name).publicKey, { kid, use: 'jwt-svid', ...more })
}
