import { realpath, stat } from 'node:fs/promises'
import { dirname } from 'node:path'

/** What changes with the content of files, or when others take their place. Symbolic links are followed. */
export async function fingerprintOf(files: readonly string[]): Promise<string> {
  const prints = await Promise.all(files.map((file) => printOf(file)))
  return prints.join('\n')
}

/** Distinguishes a folder from another one that replaces it; `null` for one that does not exist. */
export async function identityOf(folder: string): Promise<string | null> {
  try {
    const { dev, ino } = await stat(folder, { bigint: true })
    return `${dev}:${ino}`
  } catch {
    return null
  }
}

/** The folders in which something happens when one of the files changes: theirs, and those that they link to. */
export async function foldersOf(files: readonly string[]): Promise<ReadonlySet<string>> {
  const targets = await Promise.all(files.map((file) => realpath(file).catch(() => file)))
  return new Set([...files, ...targets].map((file) => dirname(file)))
}

async function printOf(file: string): Promise<string> {
  try {
    const { dev, ino, size, mtimeNs, ctimeNs } = await stat(file, { bigint: true })
    return [dev, ino, size, mtimeNs, ctimeNs].join(':')
  } catch (error) {
    return codeOf(error)
  }
}

/** The code of an error of the file system. */
export function codeOf(error: unknown): string {
  const code: unknown = typeof error === 'object' && error !== null && Reflect.get(error, 'code')
  return typeof code === 'string' ? code : 'UNKNOWN'
}
