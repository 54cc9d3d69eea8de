import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { importsOf, type Import } from './imports.ts'

export interface SourceFile {
  /** From `src`, with `/`. */
  readonly path: string
  /** Whether it is a test or what only tests use: what the package does not publish. */
  readonly isTest: boolean
  readonly lines: number
  readonly imports: readonly Import[]
}

export interface Package {
  /** The name of its folder. */
  readonly folder: string
  readonly name: string
  /** What its published code may import, by package.json. */
  readonly dependencies: ReadonlySet<string>
  /** What only its tests may import besides. */
  readonly devDependencies: ReadonlySet<string>
  readonly files: readonly SourceFile[]
}

interface Manifest {
  readonly name: string
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly optionalDependencies?: Readonly<Record<string, string>>
  readonly devDependencies?: Readonly<Record<string, string>>
}

/** The packages of the repository that lies in `root`, with the imports of all their sources. */
export function readPackages(root: string): Package[] {
  const shared = readManifest(root).devDependencies
  return readdirSync(join(root, 'packages'))
    .filter((folder) => existsSync(join(root, 'packages', folder, 'package.json')))
    .toSorted()
    .map((folder) => readPackage(join(root, 'packages', folder), folder, shared))
}

function readPackage(path: string, folder: string, shared: Manifest['devDependencies']): Package {
  const manifest = readManifest(path)
  return {
    folder,
    name: manifest.name,
    dependencies: new Set(
      Object.keys({
        ...manifest.dependencies,
        ...manifest.peerDependencies,
        ...manifest.optionalDependencies,
      }),
    ),
    devDependencies: new Set(Object.keys({ ...manifest.devDependencies, ...shared })),
    files: readSources(join(path, 'src')),
  }
}

function readManifest(path: string): Manifest {
  return JSON.parse(readFileSync(join(path, 'package.json'), 'utf8')) as Manifest
}

function readSources(source: string): SourceFile[] {
  return readdirSync(source, { recursive: true, encoding: 'utf8' })
    .map((path) => path.replaceAll('\\', '/'))
    .filter((path) => path.endsWith('.ts'))
    .toSorted()
    .map((path) => {
      const text = readFileSync(join(source, path), 'utf8')
      return {
        path,
        isTest: path.includes('.test.'),
        lines: text.split('\n').length - 1,
        imports: importsOf(path, text),
      }
    })
}
