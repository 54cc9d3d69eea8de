import { execFileSync } from 'node:child_process'
import { chownSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { freePort } from '../../spire/fixture/port.ts'
import { ServerProcess } from './server-process.ts'

// Where Debian keeps the programs of each major version, which are not on the PATH.
const VERSIONS = '/usr/lib/postgresql'

/** The folder with the programs of the newest version; `undefined` where this machine has none. */
export function findPostgresql(): string | undefined {
  try {
    const [newest] = readdirSync(VERSIONS).toSorted((a, b) => Number(b) - Number(a))
    return newest && join(VERSIONS, newest, 'bin')
  } catch {
    return undefined
  }
}

/** What a server presents, and whom it lets in, as PEM. */
export interface ServerMaterial {
  readonly certificates: string
  readonly privateKey: string
  readonly authorities: string
}

/** A PostgreSQL server that lets in clients with a certificate of its authorities, over TLS alone. */
export class Postgresql implements AsyncDisposable {
  readonly port: number
  readonly #folder: string
  readonly #process: ServerProcess

  private constructor(port: number, folder: string, process: ServerProcess) {
    this.port = port
    this.#folder = folder
    this.#process = process
  }

  /** @param programs - the folder that {@link findPostgresql} has found */
  static async start(programs: string, material: ServerMaterial): Promise<Postgresql> {
    const user = unprivilegedUser()
    const folder = mkdtempSync(join(tmpdir(), 'spiffe-postgresql-'))
    if (user !== undefined) chownSync(folder, user.uid, user.gid)
    const data = join(folder, 'data')
    const init = [
      '-D',
      data,
      '-U',
      'orders',
      '--auth=reject',
      '--no-sync',
      '-E',
      'UTF8',
      '--locale=C',
    ]
    execFileSync(join(programs, 'initdb'), init, { ...user, stdio: 'pipe', cwd: folder })
    const write = (name: string, text: string): string => {
      const path = join(data, name)
      writeFileSync(path, text, { mode: 0o600 })
      if (user !== undefined) chownSync(path, user.uid, user.gid)
      return path
    }
    write('pg_hba.conf', 'hostssl all all 127.0.0.1/32 trust clientcert=verify-ca\n')
    const port = await freePort()
    const settings = {
      listen_addresses: '127.0.0.1',
      unix_socket_directories: '',
      port: String(port),
      fsync: 'off',
      ssl: 'on',
      ssl_min_protocol_version: 'TLSv1.3',
      ssl_cert_file: write('server.crt', material.certificates),
      ssl_key_file: write('server.key', material.privateKey),
      ssl_ca_file: write('clients.crt', material.authorities),
    }
    const process = await ServerProcess.start({
      path: join(programs, 'postgres'),
      args: [
        '-D',
        data,
        ...Object.entries(settings).flatMap(([key, value]) => ['-c', `${key}=${value}`]),
      ],
      ready: /ready to accept connections/,
      user,
    })
    return new Postgresql(port, folder, process)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#process[Symbol.asyncDispose]()
    rmSync(this.#folder, { recursive: true })
  }
}

/** PostgreSQL does not run as root: the user that its package has made. */
function unprivilegedUser(): { readonly uid: number; readonly gid: number } | undefined {
  if (process.getuid?.() !== 0) return undefined
  return { uid: idOfPostgres('-u'), gid: idOfPostgres('-g') }
}

function idOfPostgres(flag: '-u' | '-g'): number {
  return Number(execFileSync('id', [flag, 'postgres'], { encoding: 'utf8' }))
}
