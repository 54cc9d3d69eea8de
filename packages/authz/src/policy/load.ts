import { readFile } from 'node:fs/promises'
import { AuthzError } from '../errors.ts'
import type { PolicyDocument } from './document.ts'
import { digestOf, Policy } from './policy.ts'

/** Longer than any document that people keep up. */
const MAX_BYTES = 16 * 1024 * 1024

/**
 * Reads a policy document from a JSON file.
 *
 * @throws {AuthzError} `invalid-policy` when it cannot be read or is no JSON, `invalid-rule` when something in it is wrong
 */
export async function loadPolicy(file: string): Promise<Policy> {
  const text = await readText(file)
  try {
    const document: PolicyDocument = JSON.parse(text)
    return new Policy(document, file, digestOf(text))
  } catch (cause) {
    if (cause instanceof AuthzError) throw cause
    throw new AuthzError('invalid-policy', `${file}: ${String(cause)}`, { cause })
  }
}

async function readText(file: string): Promise<string> {
  try {
    const bytes = await readFile(file)
    if (bytes.length <= MAX_BYTES) return new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    throw new RangeError(`it has ${bytes.length} bytes, more than ${MAX_BYTES}`)
  } catch (cause) {
    throw new AuthzError('invalid-policy', `${file}: ${String(cause)}`, { cause })
  }
}
