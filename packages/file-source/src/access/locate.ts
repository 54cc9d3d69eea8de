import type { Stats } from 'node:fs'
import { lstat, readlink } from 'node:fs/promises'
import { basename, dirname, isAbsolute, join, parse, sep } from 'node:path'
import { FileSourceError } from '../errors.ts'
import { assertUnchangeable } from './inspect.ts'
import type { AccessRules } from './rules.ts'

/** Where folders really are, by their paths: those of one pass over the files, which mostly share them. */
export type KnownFolders = Map<string, string>

/** As many as Linux follows. */
const MAX_LINKS = 40

/**
 * Follows a path to the file that it means, as the kernel does, and inspects every folder and link on the way. Links may
 * lead to the folder of the file; from there they must stay in it, as those of a Kubernetes volume do
 * (`tls.key` -> `..data/tls.key` -> `..2026_01_01/tls.key`).
 *
 * @param path absolute, without `.` and `..`
 * @param known what this pass has found already; it is added to
 * @throws {@link FileSourceError} `foreign-owner`, `world-writable`, `link-leaves-folder`, `unreadable`; or what the file
 *   system throws
 */
export async function locate(
  path: string,
  rules: AccessRules,
  known: KnownFolders,
): Promise<string> {
  const walk = new Walk(rules)
  const folder = known.get(dirname(path)) ?? (await walk.toFolder(dirname(path)))
  known.set(dirname(path), folder)
  const file = await walk.follow(folder, basename(path))
  if (rules.allowLinksOutsideFolder || isWithin(file, folder)) return file
  throw new FileSourceError(
    'link-leaves-folder',
    `${path} leads to another folder by a symbolic link: name the file itself`,
  )
}

/** One walk, with the number of links that it has followed. */
class Walk {
  readonly #rules: AccessRules
  #links = 0

  constructor(rules: AccessRules) {
    this.#rules = rules
  }

  async toFolder(path: string): Promise<string> {
    const { root } = parse(path)
    assertUnchangeable(root, await lstat(root), this.#rules)
    return this.follow(root, path)
  }

  /** @param start is resolved already */
  async follow(start: string, path: string): Promise<string> {
    // From the end to the beginning: links put their own in front.
    const pending = segmentsOf(path)
    let current = start
    for (;;) {
      const segment = pending.pop()
      if (segment === undefined) return current
      if (segment === '..') {
        current = dirname(current)
        continue
      }
      const next = join(current, segment)
      const stats = await lstat(next)
      assertUnchangeable(next, stats, this.#rules)
      const target = await this.#targetOf(next, stats)
      if (target === undefined) {
        current = next
        continue
      }
      if (isAbsolute(target)) current = parse(target).root
      pending.push(...segmentsOf(target))
    }
  }

  async #targetOf(path: string, stats: Stats): Promise<string | undefined> {
    if (!stats.isSymbolicLink()) return undefined
    this.#links += 1
    if (this.#links > MAX_LINKS)
      throw new FileSourceError('unreadable', `${path} links in a circle`)
    return readlink(path)
  }
}

/** The last one first. */
function segmentsOf(path: string): string[] {
  const { root } = parse(path)
  return path
    .slice(root.length)
    .split(sep === '/' ? '/' : /[\\/]/)
    .filter((segment) => segment !== '' && segment !== '.')
    .toReversed()
}

function isWithin(file: string, folder: string): boolean {
  return file.startsWith(folder.endsWith(sep) ? folder : `${folder}${sep}`)
}
