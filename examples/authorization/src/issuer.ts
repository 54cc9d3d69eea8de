import { writeFile } from 'node:fs/promises'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'

export const ISSUER = 'https://login.example.org'
export const AUDIENCE = 'orders'

export type SignToken = (claims: Readonly<Record<string, unknown>>) => Promise<string>

/** An issuer of tokens for this run: its private key is nowhere but here, its public key goes to a file. */
export async function createIssuer(keysFile: string): Promise<SignToken> {
  const { privateKey, publicKey } = await generateKeyPair('ES256')
  const key = { ...(await exportJWK(publicKey)), kid: 'one', alg: 'ES256' }
  await writeFile(keysFile, JSON.stringify({ keys: [key] }))
  return (claims) =>
    new SignJWT({ ...claims })
      .setProtectedHeader({ alg: 'ES256', kid: key.kid })
      .setIssuer(ISSUER)
      .setAudience(AUDIENCE)
      .setExpirationTime('5m')
      .sign(privateKey)
}
