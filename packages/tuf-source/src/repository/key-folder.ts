import { readdir } from 'node:fs/promises'
import { FederationError } from '@fastify-spiffe/federation'
import { PrivateDirectory } from '@fastify-spiffe/federation/internal'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { TufError } from '../errors.ts'
import { SigningKey } from './signing-key.ts'

const MAX_BYTES = 16 * 1024 * 1024
const KEY_FILE = /^([a-z]+)-([0-9a-f]{64})\.pem$/
const MAX_KEYS = 100

/** A folder with private keys, which nobody else can read: 0700, and 0600 of each file. */
export class KeyFolder {
  readonly #directory: PrivateDirectory

  private constructor(directory: PrivateDirectory) {
    this.#directory = directory
  }

  /** @throws {@link TufError} `unsafe-directory` */
  static async open(path: string): Promise<KeyFolder> {
    try {
      return new KeyFolder(await PrivateDirectory.open(path))
    } catch (cause) {
      const reason = cause instanceof FederationError ? cause.message : describeCause(cause)
      throw new TufError('unsafe-directory', `the folder of keys: ${reason}`, { cause })
    }
  }

  get path(): string {
    return this.#directory.path
  }

  /** The keys of a role that are in the folder. */
  async keysOf(role: string): Promise<readonly SigningKey[]> {
    const names = (await readdir(this.path)).filter((name) => KEY_FILE.exec(name)?.[1] === role)
    if (names.length > MAX_KEYS) {
      throw new TufError('invalid-repository', `there are more than ${MAX_KEYS} keys of ${role}`)
    }
    const keys: SigningKey[] = []
    for (const name of names.toSorted()) {
      const pem = await this.#directory.read(name, MAX_BYTES)
      if (pem !== null) keys.push(SigningKey.fromPem(pem.toString('utf8')))
    }
    return keys
  }

  /** Makes keys of a role. */
  async generate(role: string, count: number): Promise<readonly SigningKey[]> {
    const keys = Array.from({ length: count }, () => SigningKey.generate())
    for (const key of keys) await this.#directory.write(nameOf(role, key), key.toPem())
    return keys
  }

  async remove(role: string, keys: readonly SigningKey[]): Promise<void> {
    for (const key of keys) await this.#directory.remove(nameOf(role, key))
  }

  /** Reads a file beside the keys; `null` when it is not there. */
  async read(name: string): Promise<string | null> {
    const bytes = await this.#directory.read(name, MAX_BYTES)
    return bytes === null ? null : bytes.toString('utf8')
  }

  write(name: string, content: string): Promise<void> {
    return this.#directory.write(name, content)
  }
}

function nameOf(role: string, { id }: SigningKey): string {
  return `${role}-${id}.pem`
}
