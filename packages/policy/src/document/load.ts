import { describeCause, parseJson } from '@fastify-spiffe/spiffe/internal'
import { readBytes, utf8 } from './read-bytes.ts'
import { PolicyError } from '../errors.ts'
import type { PolicyDocument } from './document.ts'
import { digestOf, Policy } from './policy.ts'

/** Longer than any document that people keep up. */
const MAX_BYTES = 16 * 1024 * 1024

/**
 * Reads a policy document from a JSON file.
 *
 * @throws {PolicyError} `invalid-policy` if it cannot be read or is not JSON, `invalid-rule` when
 *   something in it is wrong
 */
export async function loadPolicy(file: string): Promise<Policy> {
  const text = await readText(file)
  return new Policy(parse(file, text), file, digestOf(text))
}

function parse(file: string, text: string): PolicyDocument {
  try {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- `Policy` looks at all of it
    return parseJson(text) as PolicyDocument
  } catch (cause) {
    throw new PolicyError('invalid-policy', `${file}: ${describeCause(cause)}`)
  }
}

async function readText(file: string): Promise<string> {
  const bytes = await readBytes(file, MAX_BYTES)
  try {
    return utf8(bytes)
  } catch {
    throw new PolicyError('invalid-policy', `${file} is not UTF-8`)
  }
}
