import { posix } from 'node:path'
import { layout } from './layout.ts'
import type { Graph } from './knots.ts'
import type { Import } from './imports.ts'
import type { Package, SourceFile } from './source-tree.ts'

/** An import of a package, with the place where it stands. */
interface Arrow extends Import {
  readonly from: Package
  readonly file: SourceFile
}

/** An import of a file of the same package. */
interface InnerArrow extends Arrow {
  readonly target: string
}

/** What is wrong with the imports of a package from others, a sentence each. */
export function faultsBetweenPackages(from: Package, packages: readonly Package[]): string[] {
  const byName = new Map(packages.map((each) => [each.name, each]))
  return arrowsOf(from)
    .filter(({ specifier }) => !specifier.startsWith('.') && !specifier.startsWith('node:'))
    .flatMap((arrow) => {
      const name = packageNameOf(arrow.specifier)
      const to = byName.get(name)
      return [undeclared(arrow, name), to === undefined ? undefined : forbidden(arrow, to)]
    })
    .filter((fault) => fault !== undefined)
}

/** What is wrong with the imports between the folders of a package, a sentence each. */
export function faultsBetweenRooms(of: Package): string[] {
  const rooms = layout[of.folder]?.rooms ?? []
  const present = new Set(publishedPathsOf(of).map(roomOf))
  return [
    ...[...present]
      .filter((room) => !rooms.includes(room))
      .map((room) => `packages/${of.folder}/src/${room} has no place in layout.ts`),
    ...rooms
      .filter((room) => !present.has(room))
      .map(
        (room) => `packages/${of.folder}/src/${room} has a place in layout.ts, and is not there`,
      ),
    ...innerArrowsOf(of).flatMap((arrow) => upward(arrow, rooms) ?? []),
  ]
}

function upward(arrow: InnerArrow, rooms: readonly string[]): string | undefined {
  const { from, file, target } = arrow
  if (!publishedPathsOf(from).includes(target)) {
    return `${sentence(arrow)}: which is no published file of the package`
  }
  const own = rooms.indexOf(roomOf(file.path))
  const other = rooms.indexOf(roomOf(target))
  if (other <= own) return undefined
  return `${sentence(arrow)}: from ${rooms[own]} (room ${own + 1} of ${from.folder}) up to ${rooms[other]} (room ${other + 1})`
}

/** What the files of a package import of each other, tests left out. */
export function filesOf(of: Package): Graph {
  return graphOf(of, (path) => path)
}

/** What the folders of a package, and the files beside them, import of each other, tests left out. */
export function roomGraphOf(of: Package): Graph {
  return graphOf(of, roomOf)
}

/** What packages import of each other, tests left out. */
export function packageGraphOf(packages: readonly Package[]): Graph {
  const folders = new Map(packages.map(({ name, folder }) => [name, folder]))
  return new Map(
    packages.map((from) => {
      const targets = arrowsOf(from)
        .filter(({ file }) => !file.isTest)
        .map(({ specifier }) => folders.get(packageNameOf(specifier)))
        .filter((target) => target !== undefined)
      return [from.folder, new Set(targets)]
    }),
  )
}

function graphOf(of: Package, nameOf: (path: string) => string): Graph {
  const graph = new Map(publishedPathsOf(of).map((path) => [nameOf(path), new Set<string>()]))
  for (const { file, target } of innerArrowsOf(of)) {
    const from = nameOf(file.path)
    const to = nameOf(target)
    if (from !== to) graph.get(from)?.add(to)
  }
  return graph
}

function publishedPathsOf({ files }: Package): string[] {
  return files.filter(({ isTest }) => !isTest).map(({ path }) => path)
}

/** The folder of a file, or the file itself where it lies beside the folders. */
function roomOf(path: string): string {
  return path.includes('/') ? posix.dirname(path) : path
}

function arrowsOf(from: Package): Arrow[] {
  return from.files.flatMap((file) => file.imports.map((each) => ({ ...each, from, file })))
}

/** The imports from a package's own files, those of its tests left out. */
function innerArrowsOf(from: Package): InnerArrow[] {
  return arrowsOf(from)
    .filter(({ specifier, file }) => specifier.startsWith('.') && !file.isTest)
    .map((arrow) =>
      Object.assign(arrow, { target: posix.join(posix.dirname(arrow.file.path), arrow.specifier) }),
    )
}

/** `@scope/name` of `@scope/name/subpath`. */
function packageNameOf(specifier: string): string {
  return specifier
    .split('/')
    .slice(0, specifier.startsWith('@') ? 2 : 1)
    .join('/')
}

function undeclared(arrow: Arrow, name: string): string | undefined {
  const { from, file } = arrow
  if (from.dependencies.has(name) || from.name === name) return undefined
  if (file.isTest && from.devDependencies.has(name)) return undefined
  return `${sentence(arrow)}: not declared in packages/${from.folder}/package.json`
}

/** Tests may use what lies above their package's imports, such as the authority, but not above its floor. */
function forbidden(arrow: Arrow, to: Package): string | undefined {
  const { from, file } = arrow
  const own = layout[from.folder]
  const other = layout[to.folder]
  if (from === to) return `${sentence(arrow)}: a package imports its own files by their paths`
  if (own === undefined || other === undefined) {
    return `${sentence(arrow)}: ${own === undefined ? from.folder : to.folder} has no floor in layout.ts`
  }
  if (file.isTest ? other.floor <= own.floor : own.imports.includes(to.folder)) return undefined
  return `${sentence(arrow)}: from ${from.folder} (floor ${own.floor}) to ${to.folder} (floor ${other.floor})`
}

function sentence({ from, file, line, specifier }: Arrow): string {
  return `packages/${from.folder}/src/${file.path}:${line} imports ${specifier}`
}
