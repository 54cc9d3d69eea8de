import { randomUUID } from 'node:crypto'
import { open, rename, rm, type FileHandle } from 'node:fs/promises'
import type { TrustDomain } from '@fastify-spiffe/spiffe'
import { describeCause, parseJson } from '@fastify-spiffe/spiffe/internal'
import { BundleEndpointError } from './errors.ts'
import { MAX_SEQUENCE, type SequenceRecord } from './sequence-record.ts'

// What is written has less than 400.
const MAX_BYTES = 4096
const SEQUENCE = /^(?:0|[1-9]\d{0,18})$/
const DIGEST = /^[\w-]{43}$/

/** What the file holds, not checked yet. */
interface Stored {
  readonly trustDomain?: unknown
  readonly sequence?: unknown
  readonly digest?: unknown
}

/** The file that remembers the last sequence over restarts. It holds nothing secret. */
export class SequenceFile {
  readonly #path: string
  readonly #trustDomain: TrustDomain

  constructor(path: string, trustDomain: TrustDomain) {
    this.#path = path
    this.#trustDomain = trustDomain
  }

  /**
   * Reads what was stored last; `null` when there is no file yet.
   * @throws {@link BundleEndpointError} `invalid-sequence-file` for any other file: to begin anew could serve a lower
   *   sequence
   */
  async read(): Promise<SequenceRecord | null> {
    try {
      const text = await readText(this.#path)
      return text === null ? null : this.#parse(text)
    } catch (cause) {
      const reason =
        cause instanceof BundleEndpointError ? cause.message : `(${describeCause(cause)})`
      const message =
        `the sequence file cannot be used: ${reason}. Restore it; if you remove it, the clock must not ` +
        'have been set back since the last bundle was published'
      throw new BundleEndpointError('invalid-sequence-file', message, { cause })
    }
  }

  /** Stores a record in one step, so that a crash leaves the former one or this one. */
  async write({ sequence, digest }: SequenceRecord): Promise<void> {
    const trustDomain = this.#trustDomain.name
    const text = `${JSON.stringify({ trustDomain, sequence: sequence.toString(), digest })}\n`
    const temporary = `${this.#path}.${randomUUID()}`
    try {
      await writeNew(temporary, text)
      await rename(temporary, this.#path)
    } catch (error) {
      await rm(temporary, { force: true }).catch(() => undefined)
      throw error
    }
  }

  #parse(text: string): SequenceRecord {
    const value = parseJson(text, { maxLength: MAX_BYTES, maxDepth: 2 })
    if (typeof value !== 'object' || value === null) throw invalid('it holds no object')
    const { trustDomain, sequence, digest }: Stored = value
    if (trustDomain !== this.#trustDomain.name) throw invalid('it is that of another trust domain')
    if (typeof sequence !== 'string' || !SEQUENCE.test(sequence))
      throw invalid('it has no sequence')
    if (BigInt(sequence) >= MAX_SEQUENCE) throw invalid('its sequence is too large')
    if (typeof digest !== 'string' || !DIGEST.test(digest)) throw invalid('it has no digest')
    return { sequence: BigInt(sequence), digest }
  }
}

async function readText(path: string): Promise<string | null> {
  const file = await openExisting(path)
  if (file === null) return null
  try {
    const stats = await file.stat()
    if (!stats.isFile()) throw invalid('it is not a regular file')
    if (stats.size > MAX_BYTES) throw invalid(`it has more than ${MAX_BYTES} bytes`)
    return await file.readFile('utf8')
  } finally {
    await file.close()
  }
}

async function openExisting(path: string): Promise<FileHandle | null> {
  try {
    return await open(path, 'r')
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return null
    throw error
  }
}

async function writeNew(path: string, text: string): Promise<void> {
  // `wx` follows no link that somebody has put there.
  const file = await open(path, 'wx', 0o600)
  try {
    await file.writeFile(text)
    await file.sync()
  } finally {
    await file.close()
  }
}

function invalid(reason: string): BundleEndpointError {
  return new BundleEndpointError('invalid-sequence-file', reason)
}
