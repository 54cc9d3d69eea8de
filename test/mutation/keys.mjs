/**
 * Makes RSA and DSA keys once and hands them out again when the same test runs anew, in this process
 * or in the next: to make them takes longer than everything else in the tests.
 */
import crypto, { createPrivateKey, createPublicKey } from 'node:crypto'
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { syncBuiltinESMExports } from 'node:module'
import { promisify } from 'node:util'

const FILE = 'mutation-keys.json'
const DEAR = new Set(['rsa', 'rsa-pss', 'dsa'])

const known = new Map(existsSync(FILE) ? JSON.parse(readFileSync(FILE, 'utf8')) : [])
const generate = crypto.generateKeyPairSync
const generateAsync = promisify(crypto.generateKeyPair)

let place = ''
let count = 0

/** Says for which test keys are made from now on. */
export function keysFor(name) {
  place = name
  count = 0
}

function generateKeyPairSync(type, options) {
  const isPlain = options?.publicKeyEncoding === undefined
  if (!DEAR.has(type) || !isPlain) return generate(type, options)
  count += 1
  const id = JSON.stringify([place, count, type, options])
  let pem = known.get(id)
  if (pem === undefined) {
    pem = generate(type, options).privateKey.export({ format: 'pem', type: 'pkcs8' })
    known.set(id, pem)
    writeFileSync(FILE, JSON.stringify([...known]))
  }
  return { publicKey: createPublicKey(pem), privateKey: createPrivateKey(pem) }
}

/** Puts itself in the place of what `node:crypto` exports. */
export function rememberKeys() {
  crypto.generateKeyPairSync = generateKeyPairSync
  crypto.generateKeyPair[promisify.custom] = async (type, options) =>
    DEAR.has(type) ? generateKeyPairSync(type, options) : generateAsync(type, options)
  syncBuiltinESMExports()
}
