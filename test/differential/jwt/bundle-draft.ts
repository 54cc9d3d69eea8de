import { X509Certificate } from 'node:crypto'
import { mintRootCa } from '@fastify-spiffe/authority'
import { jwkOf, keyPair, type Members } from './keys.ts'
import { jwtKey } from './token-draft.ts'

/** All that a SPIFFE bundle is made of. It is a good one until it is changed. */
export class BundleDraft {
  /** Two X.509 authorities, where the bundle has any. */
  x509: Members[]
  /** Two JWT authorities. */
  jwt: Members[]
  /** What stands beside the keys, as JSON. */
  members: Record<string, string> = { spiffe_sequence: '7', spiffe_refresh_hint: '300' }
  write: (text: string) => string = (text) => text

  constructor(x509: readonly Members[]) {
    this.x509 = [...x509]
    this.jwt = [jwtKey(jwkOf(keyPair('P-256')), 'k1'), jwtKey(jwkOf(keyPair('rsa')), 'k2')]
  }

  text(): string {
    const members = Object.entries({
      keys: JSON.stringify([...this.x509, ...this.jwt]),
      ...this.members,
    })
    return this.write(`{${members.map(([name, json]) => `"${name}":${json}`).join(',')}}`)
  }
}

/** Two authorities, as bundles have them. */
export async function mintX509Keys(): Promise<readonly Members[]> {
  const keys: Members[] = []
  for (const subject of ['CN=one', 'CN=two']) {
    const { der } = await mintRootCa('a.test', { subject })
    const { publicKey } = new X509Certificate(der)
    keys.push({
      ...publicKey.export({ format: 'jwk' }),
      use: 'x509-svid',
      x5c: [der.toString('base64')],
    })
  }
  return keys
}
