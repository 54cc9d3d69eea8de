import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'

// Debian keeps servers where only root looks.
const FOLDERS = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/sbin']

/** The path of a program, or undefined where this machine does not have it. */
export function findProgram(name: string): string | undefined {
  return FOLDERS.map((folder) => join(folder, name)).find(isProgram)
}

/** @throws Error where this machine does not have it */
export function programPath(name: string): string {
  const path = findProgram(name)
  if (path === undefined) throw new Error(`no ${name} on the PATH`)
  return path
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}
