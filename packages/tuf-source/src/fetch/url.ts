/** Why a text is not the URL of a folder of a repository, as the end of a sentence; `undefined` when it is one. */
export function baseUrlFault(text: unknown): string | undefined {
  if (typeof text !== 'string') return 'must be a string'
  if (text.length > MAX_LENGTH) return `must have at most ${MAX_LENGTH} characters`
  // A URL parser drops some of these, and takes a backslash for a slash.
  if (!PRINTABLE.test(text) || text.includes('\\')) return 'must be printable ASCII without spaces'
  const match = ABSOLUTE.exec(text)
  if (match === null) return 'must begin with https:// or http:// and a host'
  if (match[1]?.includes('@') === true) return 'must have no user information'
  if (/[?#]/.test(text)) return 'must have no query and no fragment'
  return URL.canParse(text) ? undefined : 'must be a URL'
}

const MAX_LENGTH = 2048
const PRINTABLE = /^[\x21-\x7e]*$/
const ABSOLUTE = /^https?:\/\/([^/?#]+)/i

/** The URL of a folder, to which names can be appended. */
export function folderUrl(text: string): URL {
  return new URL(text.endsWith('/') ? text : `${text}/`)
}

/**
 * The URL of a file below a folder. The name may come from a stranger: its segments are encoded, and none of them leaves
 * the folder. `null` for one that would.
 */
export function fileUrl(folder: URL, path: string): URL | null {
  const segments = path.split('/')
  if (segments.some((segment) => segment === '' || segment === '.' || segment === '..')) return null
  try {
    return new URL(`${folder.href}${segments.map((each) => encodeURIComponent(each)).join('/')}`)
  } catch {
    // A lone surrogate has no encoding.
    return null
  }
}
