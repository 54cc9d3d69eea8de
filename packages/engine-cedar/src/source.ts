import { createHash } from 'node:crypto'
import { PolicyError, type PolicySource, readBytes, utf8 } from '@fastify-spiffe/policy/engine-kit'

/** Cedar text, or the file that holds it. */
export type CedarText = string | { readonly file: string }

export interface CedarSource extends PolicySource {
  readonly policies: string
  readonly schema: string | null
}

/** Longer than any policies that people keep up. */
const MAX_BYTES = 16 * 1024 * 1024

/** @throws {PolicyError} `invalid-policy` */
export async function readSource(
  policies: CedarText,
  schema: CedarText | undefined,
): Promise<CedarSource> {
  const texts = {
    policies: await read(policies),
    schema: schema === undefined ? null : await read(schema),
  }
  const digest = createHash('sha256').update(JSON.stringify(texts)).digest('hex')
  return { ...texts, version: digest.slice(0, 12) }
}

async function read(text: CedarText): Promise<string> {
  if (typeof text === 'string') return text
  const bytes = await readBytes(text.file, MAX_BYTES)
  try {
    return utf8(bytes)
  } catch {
    throw new PolicyError('invalid-policy', `${text.file} is not UTF-8`)
  }
}
