import type { Federation } from '@fastify-spiffe/federation'
import { FileSource, FileSourceError } from '@fastify-spiffe/file-source'
import { withFallbackBundles } from '@fastify-spiffe/spiffe'
import type { Answer } from './answer.ts'
import type { SwitchedSource } from './switched-source.ts'

/** The body of `/v2/files/use`. */
interface FilesCall {
  readonly svid: string
  readonly key: string
  /** Paths by trust domain. */
  readonly bundles: Readonly<Record<string, string>>
}

/** Files that are there need no longer; those that are being written get this time. */
const TIMEOUT_MS = 2_000

/** The source of files that is in use. */
let inUse: FileSource | undefined

/** `POST /v2/files/use`: from now on the listeners have their SVID and bundles from files. */
export async function useFiles(
  source: SwitchedSource,
  federation: Federation,
  { svid, key, bundles }: FilesCall,
): Promise<Answer> {
  let files: FileSource
  try {
    files = await FileSource.open({ svid, key, bundles, timeoutMs: TIMEOUT_MS })
  } catch (error) {
    if (!(error instanceof FileSourceError)) throw error
    const { code, message } = error
    return { code: 422, body: { status: 'rejected', code, message } }
  }
  source.switchTo(withFallbackBundles(files, federation))
  await inUse?.close()
  inUse = files
  return { code: 200, body: { status: 'ok', spiffe_id: String(files.svid?.spiffeId) } }
}
