import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { ServerMaterial } from './postgresql.ts'
import { freePort } from '../../spire/fixture/port.ts'
import { ServerProcess } from './server-process.ts'

/** A Redis server that lets in clients with a certificate of its authorities, over TLS alone. */
export class Redis implements AsyncDisposable {
  readonly port: number
  readonly #folder: string
  readonly #process: ServerProcess

  private constructor(port: number, folder: string, process: ServerProcess) {
    this.port = port
    this.#folder = folder
    this.#process = process
  }

  static async start(path: string, material: ServerMaterial): Promise<Redis> {
    const folder = mkdtempSync(join(tmpdir(), 'spiffe-redis-'))
    const write = (name: string, text: string): string => {
      const file = join(folder, name)
      writeFileSync(file, text, { mode: 0o600 })
      return file
    }
    const port = await freePort()
    const settings = {
      port: '0',
      'tls-port': String(port),
      bind: '127.0.0.1',
      dir: folder,
      save: '',
      'tls-protocols': 'TLSv1.3',
      'tls-auth-clients': 'yes',
      'tls-cert-file': write('server.crt', material.certificates),
      'tls-key-file': write('server.key', material.privateKey),
      'tls-ca-cert-file': write('clients.crt', material.authorities),
    }
    const process = await ServerProcess.start({
      path,
      args: Object.entries(settings).flatMap(([key, value]) => [`--${key}`, value]),
      ready: /ready to accept connections/i,
    })
    return new Redis(port, folder, process)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]()
    rmSync(this.#folder, { recursive: true })
  }
}
