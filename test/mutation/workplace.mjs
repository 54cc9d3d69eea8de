/** A copy of the project in which mutants may be put; the project itself is left alone. */
import { mkdtempSync, rmSync } from 'node:fs'
import { cp, readdir, symlink } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { basename, join, resolve } from 'node:path'

const root = resolve(import.meta.dirname, '../..')
const COPIED = ['packages', 'examples', 'test', 'package.json', 'tsconfig.json']

/** Makes the copy, and calls `work` in it. */
export async function inCopy(work) {
  const copy = mkdtempSync(join(tmpdir(), 'fastify-spiffe-mutation-'))
  const remove = () => rmSync(copy, { recursive: true, force: true })
  process.once('exit', remove)
  for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1))
  // Links stay relative, so that the packages of the copy find each other.
  const options = { recursive: true, verbatimSymlinks: true, filter: isCopied }
  for (const entry of COPIED) await cp(join(root, entry), join(copy, entry), options)
  await symlink(join(root, 'node_modules'), join(copy, 'node_modules'))
  process.chdir(copy)
  const result = await work()
  process.chdir(root)
  process.off('exit', remove)
  remove()
  return result
}

// Without the state of the last build, tsc writes every file.
const isCopied = (path) => path !== import.meta.dirname && basename(path) !== '.tsbuildinfo'

/** Compiles the package that the mutants were put into. Their types do not matter. */
export const compileCommand = (name) =>
  `node_modules/.bin/tsc -p packages/${name} --noCheck --composite false --incremental ` +
  '--isolatedDeclarations false --declaration false --declarationMap false'

/** The compiled tests that are named, or that are in a folder that is named, in this order. */
export async function testFiles(paths) {
  const found = []
  for (const path of paths) {
    if (path.endsWith('.js')) found.push(path)
    else for (const file of await readdir(path, { recursive: true })) found.push(join(path, file))
  }
  return [...new Set(found)].filter((path) => path.endsWith('.test.js'))
}
