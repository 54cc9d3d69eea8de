import type { Stats } from 'node:fs'
import { FileSourceError } from '../errors.ts'
import { HAS_MODES, type AccessRules } from './rules.ts'

const ROOT = 0
const STICKY = 0o1000
const WRITABLE_BY_ALL = 0o002
const READABLE_BY_ALL = 0o004
const READABLE_BY_GROUP = 0o040

/**
 * Refuses a file, or a folder or link on the way to it, that others can change.
 * @param name what to call it in a message
 * @throws {@link FileSourceError} `foreign-owner`, `world-writable`
 */
export function assertUnchangeable(name: string, stats: Stats, rules: AccessRules): void {
  if (!HAS_MODES) return
  if (!rules.allowForeignOwner && !isOurs(stats)) {
    throw new FileSourceError(
      'foreign-owner',
      `${name} belongs to user ${stats.uid}, who is neither this user nor root`,
    )
  }
  if (!rules.allowWorldWritable && isWorldWritable(stats)) {
    throw new FileSourceError('world-writable', `${name} can be written by everybody: chmod o-w`)
  }
}

/**
 * Refuses a file with a key that others can read.
 * @throws {@link FileSourceError} `key-exposed`
 */
export function assertPrivate(name: string, { mode }: Stats, rules: AccessRules): void {
  if (!HAS_MODES || rules.allowWorldReadableKey) return
  if ((mode & READABLE_BY_ALL) !== 0) {
    throw new FileSourceError('key-exposed', `${name} can be read by everybody: chmod 0600`)
  }
  if (rules.allowGroupReadableKey || (mode & READABLE_BY_GROUP) === 0) return
  throw new FileSourceError('key-exposed', `${name} can be read by its group: chmod 0600`)
}

function isOurs({ uid }: Stats): boolean {
  return uid === ROOT || uid === process.geteuid?.()
}

function isWorldWritable(stats: Stats): boolean {
  // The mode of a link means nothing.
  if (stats.isSymbolicLink() || (stats.mode & WRITABLE_BY_ALL) === 0) return false
  // There everybody may add files, and only their owners may replace them.
  return !(stats.isDirectory() && (stats.mode & STICKY) !== 0)
}
