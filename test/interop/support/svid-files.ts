import { X509Certificate } from 'node:crypto'
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { X509Source } from 'fastify-spiffe'
import type { X509Bundle, X509Svid } from '@fastify-spiffe/spiffe'
import type { Workload } from '../../spire/fixture/index.ts'

/** A workload's SVID and bundles as files, for programs that know no Workload API. They follow the agent. */
export class SvidFiles implements AsyncDisposable {
  /** Room for the program's own files too; goes with all that is in it. */
  readonly folder: string = mkdtempSync(join(tmpdir(), 'interop-'))
  /** Certificates and key in one file, so that no reader sees those of two SVIDs. */
  readonly svid: string = join(this.folder, 'svid.pem')
  /** The authorities of all trust domains in one file: such programs cannot keep them apart. */
  readonly bundle: string = join(this.folder, 'bundle.pem')

  readonly #source: X509Source
  readonly #listeners: ((svid: string) => void)[] = []
  #written: X509Svid | null = null

  private constructor(source: X509Source) {
    this.#source = source
    this.#update()
    source.onUpdate(() => this.#update())
  }

  static async open({ address }: Workload): Promise<SvidFiles> {
    return new SvidFiles(await X509Source.open({ address }))
  }

  /** Calls `listener` with the PEM of each new SVID, after it has been written. */
  onRenewed(listener: (svid: string) => void): void {
    this.#listeners.push(listener)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#source.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  #update(): void {
    const { svid, bundles } = this.#source
    if (svid === null || svid === this.#written) return
    this.#written = svid
    const pem = svid.exportCertificatesPem() + svid.exportPrivateKeyPem()
    replace(this.bundle, [...bundles].map(pemOf).join(''))
    replace(this.svid, pem)
    for (const listener of this.#listeners) listener(pem)
  }
}

function replace(path: string, content: string): void {
  writeFileSync(`${path}.new`, content, { mode: 0o600, flag: 'wx' })
  renameSync(`${path}.new`, path)
}

function pemOf({ authorities }: X509Bundle): string {
  return authorities.map(({ raw }) => new X509Certificate(raw).toString()).join('')
}
