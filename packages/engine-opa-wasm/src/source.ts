import { createHash } from 'node:crypto'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { gunzip } from 'node:zlib'
import { describeCause, parseJson } from '@fastify-spiffe/spiffe/internal'
import {
  PolicyError,
  ownProperty,
  type PolicySource,
  readBytes,
  readBytesIfPresent,
  utf8,
} from '@fastify-spiffe/policy/engine-kit'
import { filesOfTar } from './tar.ts'

/** Where Rego that is compiled to WebAssembly comes from. */
export type WasmLocation =
  /** A bundle, as `opa build -t wasm` makes it, or the `policy.wasm` of one. */
  | { readonly file: string }
  /** An unpacked bundle. It is not replaced all at once: prefer `file` where it changes under load. */
  | { readonly directory: string }
  /** The content of such a file. */
  | { readonly bytes: Uint8Array }

export interface WasmSource extends PolicySource {
  readonly wasm: Uint8Array
  /** The document `data`, as JSON; `null` when there is none. */
  readonly data: string | null
}

const WASM = 'policy.wasm'
const DATA = 'data.json'
const MANIFEST = '.manifest'
const NAMES = [WASM, DATA, MANIFEST]

const unzip = promisify(gunzip)

/** The files that are read of a location. */
export function filesOf(location: WasmLocation): readonly string[] {
  if ('file' in location) return [location.file]
  return 'directory' in location ? NAMES.map((name) => join(location.directory, name)) : []
}

/** @throws {PolicyError} `invalid-policy` */
export async function readSource(location: WasmLocation, maxBytes: number): Promise<WasmSource> {
  if ('directory' in location) return readDirectory(location.directory, maxBytes)
  const path = 'file' in location ? location.file : 'wasm.bytes'
  const bytes = 'file' in location ? await readBytes(path, maxBytes) : location.bytes
  const digest = digestOf([bytes])
  if (isWasm(bytes)) return { wasm: bytes, data: null, version: digest.slice(0, 12) }
  try {
    // OPA, "Bundle File Format": a gzipped tarball.
    const archive = await unzip(bytes, { maxOutputLength: maxBytes })
    return sourceOf(filesOfTar(archive, NAMES), digest)
  } catch (cause) {
    throw new PolicyError('invalid-policy', `${path} is not a bundle: ${reasonOf(cause)}`)
  }
}

async function readDirectory(directory: string, maxBytes: number): Promise<WasmSource> {
  const files = new Map<string, Uint8Array>()
  for (const name of NAMES) {
    const path = join(directory, name)
    const bytes = await (name === WASM ? readBytes : readBytesIfPresent)(path, maxBytes)
    if (bytes !== null) files.set(name, bytes)
  }
  try {
    return sourceOf(files, digestOf(NAMES.map((name) => files.get(name) ?? new Uint8Array())))
  } catch (cause) {
    throw new PolicyError('invalid-policy', `${directory}: ${reasonOf(cause)}`)
  }
}

/** What this package says of a bundle, or a word for the errors of others. */
function reasonOf(cause: unknown): string {
  return cause instanceof RangeError ? cause.message : describeCause(cause)
}

function sourceOf(files: ReadonlyMap<string, Uint8Array>, digest: string): WasmSource {
  const wasm = files.get(WASM)
  if (wasm === undefined) throw new RangeError(`it holds no ${WASM}: build it with -t wasm`)
  const [data, manifest] = [files.get(DATA), files.get(MANIFEST)]
  const revision = manifest === undefined ? '' : revisionOf(utf8(manifest))
  const short = digest.slice(0, 12)
  return {
    wasm,
    data: data === undefined ? null : utf8(data),
    // A revision says what people mean by it; only with the digest does it never name two contents.
    version: revision === '' ? short : `${revision}+${short}`,
  }
}

function revisionOf(manifest: string): string {
  const revision = ownProperty(parseJson(manifest), 'revision')
  return typeof revision === 'string' ? revision.replaceAll(/[^\w.:+-]/g, '_').slice(0, 100) : ''
}

function isWasm(bytes: Uint8Array): boolean {
  return Buffer.from(bytes.subarray(0, 4)).equals(Buffer.from('\0asm'))
}

function digestOf(parts: readonly Uint8Array[]): string {
  const hash = createHash('sha256')
  for (const part of parts) hash.update(`${part.length}:`).update(part)
  return hash.digest('hex')
}
