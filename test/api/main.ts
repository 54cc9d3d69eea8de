/**
 * The reference of all public entry points, `docs/api`, from their docstrings.
 *
 *   node test/dist/api/main.js           says what is out of date, and what docstrings leave unsaid
 *   node test/dist/api/main.js --write   writes the pages
 */
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gapsOf } from './coverage.ts'
import { readEntries } from './entries.ts'
import { pagesOf } from './page.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const folder = join(root, 'docs/api')
const entries = readEntries(root)
const pages = pagesOf(entries)

if (process.argv.includes('--write')) write()
else check()

function write(): void {
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(folder, { recursive: true })
  for (const [name, page] of pages) writeFileSync(join(folder, name), page)
}

function check(): void {
  const written = existsSync(folder) ? readdirSync(folder) : []
  const complaints = [
    ...[...pages]
      .filter(([name, page]) => readPage(name) !== page)
      .map(([name]) => outOfDate(name)),
    ...written.filter((name) => !pages.has(name)).map(outOfDate),
    ...gapsOf(root, entries),
  ]
  for (const complaint of complaints) process.stderr.write(`${complaint}\n`)
  process.exitCode = complaints.length === 0 ? 0 : 1
}

function readPage(name: string): string | undefined {
  return existsSync(join(folder, name)) ? readFileSync(join(folder, name), 'utf8') : undefined
}

function outOfDate(name: string): string {
  return `docs/api/${name} is out of date: run \`pnpm generate\``
}
