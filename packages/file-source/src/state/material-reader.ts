import type { SetTimer } from '@fastify-spiffe/spiffe'
import type { ReadRules } from '../access/read-safely.ts'
import type { FileSourceError } from '../errors.ts'
import { toFileSourceError } from '../errors.ts'
import type { Bundles } from '../material/collect.ts'
import { parseMaterial, type Material } from '../material/parse-material.ts'
import { filesOf, type FileSet } from '../reading/file-set.ts'
import { SettledReader } from '../reading/settled-reader.ts'

interface MaterialReaderParts {
  readonly files: FileSet
  readonly rules: ReadRules
  readonly setTimer: SetTimer
}

/** How long a read that is under way is waited for in the end, in ms. */
const PATIENCE_MS = 1_000

/** What was made of one set of files. */
interface Outcome {
  readonly digest: string
  readonly result: Material | FileSourceError
}

/** Reads the material of a set of files; one that is read again as it was is not parsed again. */
export class MaterialReader {
  readonly #files: FileSet
  readonly #reader: SettledReader
  #last: Outcome | undefined
  #running: Promise<unknown> = Promise.resolve()

  /** @param signal ends a read that waits */
  constructor({ files, rules, setTimer }: MaterialReaderParts, signal: AbortSignal) {
    this.#files = files
    this.#reader = new SettledReader({ files: filesOf(files), rules, setTimer, signal })
  }

  /** The paths of all files. */
  get paths(): readonly string[] {
    return filesOf(this.#files).map(({ path }) => path)
  }

  /**
   * @param held what is in use, and stays where the files of another trust domain are refused
   * @throws {@link FileSourceError}
   */
  async read(held: Bundles): Promise<{ readonly material: Material; readonly isNew: boolean }> {
    const running = this.#read(held)
    this.#running = running.catch(() => undefined)
    return running
  }

  /** Resolves when no read is under way, and after a second in any case: the file system may hang. */
  async idle(): Promise<void> {
    let timer: NodeJS.Timeout | undefined
    const patience = new Promise<void>((resolve) => {
      timer = setTimeout(resolve, PATIENCE_MS)
    })
    await Promise.race([this.#running, patience])
    clearTimeout(timer)
  }

  async #read(held: Bundles): Promise<{ readonly material: Material; readonly isNew: boolean }> {
    const contents = await this.#reader.read()
    try {
      const { digest } = contents
      const isNew = this.#last?.digest !== digest
      if (isNew) this.#last = { digest, result: this.#parse(contents, held) }
      const result = this.#last!.result
      if (result instanceof Error) throw result
      return { material: result, isNew }
    } finally {
      contents.erase()
    }
  }

  #parse(contents: Parameters<typeof parseMaterial>[1], held: Bundles): Outcome['result'] {
    try {
      return parseMaterial(this.#files, contents, held)
    } catch (cause) {
      return toFileSourceError(cause)
    }
  }
}
