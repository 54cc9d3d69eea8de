import { isAbsolute } from 'node:path'

/**
 * A file in a message: its path if it certainly is one. What cannot be opened may be a key or a
 * token in the wrong place.
 */
export function describeFile(path: string): string {
  const isPath = isAbsolute(path) || path.startsWith('./') || path.startsWith('../')
  return isPath && /^[\x21-\x7e]{1,300}$/.test(path) ? path : 'the file'
}
