import { mkdtemp, open, rename, rm, truncate, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { FileSource } from '@fastify-spiffe/file-source'
import { verifyX509Svid, type SetTimer } from '@fastify-spiffe/spiffe'

const ID = 'spiffe://example.org/web'
const PAIRS = 24
/** One write of so many is finished, and has to be taken. */
const FINISHED = 20

/** What one writer would have in its files. */
interface Generation {
  readonly 'svid.pem': string
  readonly 'svid_key.pem': string
  readonly 'svid_bundle.pem': string
}

type Name = keyof Generation
const NAMES: readonly Name[] = ['svid.pem', 'svid_key.pem', 'svid_bundle.pem']

/** What became of torn writes. */
export interface TornWritesReport {
  readonly writes: number
  /** How often something was served whose certificate, key and bundle are not of one generation. */
  readonly mismatched: number
  /** How often a write that was finished was not taken. */
  readonly notTaken: number
  /** How often another SVID was served. */
  readonly updates: number
}

/**
 * Writes sets of files in random steps and orders, abandons most of them halfway, has the source read in between, and looks
 * at everything that it serves.
 */
export async function tearWrites(writes: number, random: () => number): Promise<TornWritesReport> {
  const folder = await mkdtemp(join(tmpdir(), 'torn-writes-'))
  const authorities = [await mintRootCa('example.org'), await mintRootCa('example.org')]
  const generations = await Promise.all(
    Array.from({ length: PAIRS }, (_, index) => generate(authorities[index % 2]!)),
  )
  const writer = new Writer(folder, random)
  await writer.finish(generations[0]!)
  const source = await FileSource.open({
    directory: folder,
    layout: 'spiffe-helper',
    setTimer: soon,
  })
  const known = new Map(generations.map((each) => [each['svid.pem'], each]))
  let [mismatched, notTaken, updates] = [0, 0, 0]
  const look = (): void => void (mismatched += isWhole(source, known) ? 0 : 1)
  source.onUpdate(() => {
    updates += 1
    look()
  })
  try {
    for (let write = 1; write <= writes; write++) {
      const next = generations[write % PAIRS]!
      const reading = random() < 0.5 ? source.refresh() : undefined
      await writer.tear(next, async () => {
        if (random() < 0.3) await source.refresh()
        look()
      })
      await reading
      if (write % FINISHED !== 0) continue
      await writer.finish(next)
      await source.refresh()
      if (source.svid?.exportCertificatesPem() !== next['svid.pem']) notTaken += 1
    }
    return { writes, mismatched, notTaken, updates }
  } finally {
    await source.close()
    await rm(folder, { recursive: true })
  }
}

/** Writes files in ways that can be seen halfway. */
class Writer {
  readonly #folder: string
  readonly #random: () => number

  constructor(folder: string, random: () => number) {
    this.#folder = folder
    this.#random = random
  }

  /** Writes all files whole. */
  async finish(generation: Generation): Promise<void> {
    for (const name of NAMES) await writeFile(this.#path(name), generation[name], { mode: 0o600 })
  }

  /** Writes some of the files, in any order, the last one perhaps not to its end. */
  async tear(generation: Generation, pause: () => Promise<void>): Promise<void> {
    const names = this.#shuffled()
    const count = 1 + this.#below(NAMES.length)
    for (const name of names.slice(0, count)) {
      await this.#writeOne(name, generation[name], pause)
      await pause()
    }
  }

  async #writeOne(name: Name, content: string, pause: () => Promise<void>): Promise<void> {
    const path = this.#path(name)
    const way = this.#below(4)
    if (way === 0) {
      await writeFile(`${path}.new`, content, { mode: 0o600 })
      return rename(`${path}.new`, path)
    }
    if (way === 1) return truncate(path, this.#below(content.length))
    const middle = this.#below(content.length)
    const file = await open(path, 'w', 0o600)
    try {
      await file.write(content.slice(0, middle))
      await pause()
      if (way === 2) await file.write(content.slice(middle))
    } finally {
      await file.close()
    }
  }

  #shuffled(): readonly Name[] {
    const order = NAMES.map((name) => [this.#random(), name] as const)
    return order.toSorted(([one], [other]) => one - other).map(([, name]) => name)
  }

  #below(limit: number): number {
    return Math.floor(this.#random() * limit)
  }

  #path(name: string): string {
    return join(this.#folder, name)
  }
}

async function generate(authority: MintedCa): Promise<Generation> {
  const { certificatesPem, privateKeyPem } = await authority.mint(ID)
  return {
    'svid.pem': certificatesPem,
    'svid_key.pem': privateKeyPem,
    'svid_bundle.pem': authority.certificatePem,
  }
}

/** Whether certificate and key are of one generation, and the bundle verifies it. */
function isWhole({ svid, bundles }: FileSource, known: ReadonlyMap<string, Generation>): boolean {
  if (svid === null) return false
  const generation = known.get(svid.exportCertificatesPem())
  return (
    generation?.['svid_key.pem'] === svid.exportPrivateKeyPem() &&
    verifyX509Svid(svid.certificates, bundles).ok
  )
}

/** No time passes: what was to happen later happens in the next turn. */
const soon: SetTimer = (callback, delayMs) => {
  // Polls would never end.
  if (delayMs > 60) {
    const timer = setTimeout(callback, delayMs).unref()
    return () => clearTimeout(timer)
  }
  const turn = setImmediate(callback)
  return () => clearImmediate(turn)
}
