import { chmod, mkdtemp, mkdir, rename, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { MintedCa, SvidTemplate } from '@fastify-spiffe/authority'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import type { FileSourceOptions } from './options/options.ts'

export const WEB = 'spiffe://example.org/web'

/** A fiftieth of the real time: what takes a second takes 20 ms. */
export const quickTimer: SetTimer = (callback, delayMs) =>
  setUnreferencedTimer(callback, delayMs / 50)

/** What the files of one moment say. */
export interface Content {
  readonly svid: string
  readonly key: string
  readonly bundle: string
}

/** Makes an SVID with its key and its bundle, in PEM. */
export async function contentOf(authority: MintedCa, template?: SvidTemplate): Promise<Content> {
  const { certificatesPem, privateKeyPem } = await authority.mint(WEB, template)
  return { svid: certificatesPem, key: privateKeyPem, bundle: authority.certificatePem }
}

/** A folder with the files of an SVID, which is removed in the end. */
export class Folder implements AsyncDisposable {
  readonly path: string
  #generation = 0

  private constructor(path: string) {
    this.path = path
  }

  static async make(): Promise<Folder> {
    return new Folder(await mkdtemp(join(tmpdir(), 'fs-file-source-')))
  }

  of(name: string): string {
    return join(this.path, name)
  }

  /** What opens a source of these files. */
  get options(): FileSourceOptions {
    return {
      directory: this.path,
      layout: 'spiffe-helper',
      setTimer: quickTimer,
      timeoutMs: 20_000,
    }
  }

  /** Writes a file as spiffe-helper does: in place. */
  async put(name: string, content: string | Uint8Array, mode: number = 0o600): Promise<string> {
    await writeFile(this.of(name), content)
    await chmod(this.of(name), mode)
    return this.of(name)
  }

  /** Writes a file beside, and renames it over the one that is there. */
  async replace(name: string, content: string): Promise<void> {
    const next = await this.put(`.${name}.new`, content)
    await rename(next, this.of(name))
  }

  async write({ svid, key, bundle }: Content): Promise<void> {
    await this.put('svid.pem', svid)
    await this.put('svid_key.pem', key)
    await this.put('svid_bundle.pem', bundle)
  }

  /** Writes a set of files as Kubernetes does: into a folder of its own, to which `..data` then leads. */
  async swap({ svid, key, bundle }: Content): Promise<void> {
    this.#generation += 1
    const name = `..2026_01_01_00_00_0${this.#generation}.${this.#generation}`
    await mkdir(this.of(name))
    const files = { 'tls.crt': svid, 'tls.key': key, 'ca.crt': bundle }
    for (const [file, content] of Object.entries(files)) await this.put(join(name, file), content)
    await symlink(name, this.of('..data_tmp'))
    await rename(this.of('..data_tmp'), this.of('..data'))
    for (const file of Object.keys(files)) {
      await symlink(join('..data', file), this.of(file)).catch(() => undefined)
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.path, { recursive: true, force: true })
  }
}
