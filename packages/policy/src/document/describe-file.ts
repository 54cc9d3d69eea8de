import { isAbsolute } from 'node:path'

/**
 * A file for people: its path if it is one for sure. What cannot be opened may be no path at all, but a key or a token in
 * the wrong place.
 */
export function describeFile(path: string): string {
  const isPath = isAbsolute(path) || path.startsWith('./') || path.startsWith('../')
  return isPath && /^[\x21-\x7e]{1,300}$/.test(path) ? path : 'the file'
}
