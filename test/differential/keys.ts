import { generateKeyPair, type KeyPair, type KeyType } from '@fastify-spiffe/authority'

const pool = new Map<string, Promise<KeyPair>>()

/** A key that is made once: one for each holder and type, since making RSA keys takes most of a second. */
export function keyOf(holder: string, type: KeyType): Promise<KeyPair> {
  const name = `${type} of ${holder}`
  const known = pool.get(name)
  if (known !== undefined) return known
  const made = generateKeyPair(type)
  pool.set(name, made)
  return made
}
