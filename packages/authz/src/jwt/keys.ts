import { readFile } from 'node:fs/promises'
import {
  createLocalJWKSet,
  createRemoteJWKSet,
  type JSONWebKeySet,
  type JWTVerifyGetKey,
} from 'jose'
import type { JwksLocation } from './options.ts'

/** Finds the key of a token in a JSON Web Key Set. One that is not there makes it read the set again, within bounds. */
export function keysOf(location: JwksLocation, cooldownMs: number): JWTVerifyGetKey {
  if ('file' in location) return keysOfFile(location.file, cooldownMs)
  return createRemoteJWKSet(new URL(location.url), { cooldownDuration: cooldownMs })
}

function keysOfFile(file: string, cooldownMs: number): JWTVerifyGetKey {
  let keys: Promise<ReturnType<typeof createLocalJWKSet>> | undefined
  let readAt = -Infinity
  const read = (): NonNullable<typeof keys> => {
    readAt = performance.now()
    keys = readFile(file, 'utf8').then((text) => {
      const set: JSONWebKeySet = JSON.parse(text)
      return createLocalJWKSet(set)
    })
    return keys
  }
  return async (header, token) => {
    try {
      return await (
        await (keys ?? read())
      )(header, token)
    } catch (error) {
      // What could not be read is tried again, and a key that is not there may have come since.
      if (performance.now() - readAt < cooldownMs) throw error
      return (await read())(header, token)
    }
  }
}
