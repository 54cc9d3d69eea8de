import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'

const PROGRAM = fileURLToPath(new URL('./writes-files.js', import.meta.url))
const NAMES = ['svid.pem', 'svid_key.pem', 'svid_bundle.pem']
/** A write takes a few milliseconds: within so many a kill meets each of its steps. */
const WITHIN_MS = 12

/** What killed writers left behind. */
export interface KilledWritersReport {
  readonly kills: number
  /** What was not the whole of one set, in words. */
  readonly broken: readonly string[]
  /** How many sets were seen. */
  readonly sets: number
}

/** So many folders are written at a time: to start a writer takes longer than to kill it. */
const FOLDERS = 4

/**
 * Kills writers of a folder at random moments, one after the other, and looks at what each of them has left. Several folders
 * at a time share the kills.
 */
export async function killWriters(
  kills: number,
  random: () => number,
): Promise<KilledWritersReport> {
  const each = Math.ceil(kills / FOLDERS)
  const reports = await Promise.all(
    Array.from({ length: FOLDERS }, () => killInOneFolder(each, random)),
  )
  return {
    kills: each * FOLDERS,
    broken: reports.flatMap(({ broken }) => broken),
    sets: reports.reduce((sum, { sets }) => sum + sets, 0),
  }
}

async function killInOneFolder(kills: number, random: () => number): Promise<KilledWritersReport> {
  const folder = await mkdtemp(join(tmpdir(), 'killed-writers-'))
  const broken: string[] = []
  let [last, sets] = [-1, 0]
  try {
    for (let kill = 0; kill < kills; kill++) {
      await writeUntilKilled(folder, last + 1, random() * WITHIN_MS)
      const found = await setIn(folder)
      if (typeof found === 'string') broken.push(`kill ${kill}: ${found}`)
      else if (found < last) broken.push(`kill ${kill}: an older set, ${found} after ${last}`)
      else {
        sets += found > last ? 1 : 0
        last = found
      }
    }
    return { kills, broken, sets }
  } finally {
    await rm(folder, { recursive: true })
  }
}

async function writeUntilKilled(folder: string, start: number, afterMs: number): Promise<void> {
  const child = spawn(process.execPath, [PROGRAM, folder, String(start)], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const exited = once(child, 'exit')
  // From the first set on, and in one of the next ones.
  await Promise.race([once(child.stdout, 'data'), exited])
  await sleep(afterMs)
  child.kill('SIGKILL')
  await exited
}

/** The number of the set that the files hold, or what is wrong with them. */
async function setIn(folder: string): Promise<number | string> {
  const contents = await Promise.all(
    NAMES.map((name) =>
      readFile(join(folder, name), 'utf8').catch((error: Error) => error.message),
    ),
  )
  const numbers = new Set(contents.flatMap((content) => content.split('\n').slice(0, -1)))
  const [number] = numbers
  const isWhole = contents.every((content) => content === `${number}\n`.repeat(500))
  if (numbers.size === 1 && isWhole) return Number(number)
  return `${[...numbers].slice(0, 5).join(', ')} in ${(await readdir(folder)).join(', ')}`
}
