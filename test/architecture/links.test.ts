import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { brokenLinks, relativeLinksOf } from '../support/markdown-links.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const NOT_OURS = new Set(['node_modules', 'dist', 'results', '.git'])
/** What npm takes into every tarball. */
const ALWAYS = ['README.md', 'LICENSE', 'package.json']

function markdownIn(folder: string): string[] {
  return readdirSync(join(root, folder), { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return NOT_OURS.has(entry.name) ? [] : markdownIn(path)
    return entry.name.endsWith('.md') ? [path] : []
  })
}

test.each(markdownIn(''))('the relative links of %s lead to files and headings', (path) => {
  expect(brokenLinks(root, path)).toEqual([])
})

describe('within a tarball', () => {
  const documents = readdirSync(join(root, 'packages')).flatMap((name) => {
    const folder = join(root, 'packages', name)
    const manifest = readFileSync(join(folder, 'package.json'), 'utf8')
    const { files } = JSON.parse(manifest) as { files: readonly string[] }
    const published = new Set([...ALWAYS, ...files])
    return readdirSync(folder)
      .filter((file) => file.endsWith('.md') && published.has(file))
      .map((file) => ({ path: `${name}/${file}`, folder, file, published }))
  })

  test.each(documents)('the links of $path lead nowhere else', ({ folder, file, published }) => {
    expect(brokenLinks(folder, file)).toEqual([])
    const leaving = relativeLinksOf(readFileSync(join(folder, file), 'utf8')).filter(
      (target) => !target.startsWith('#') && !published.has(target.split(/[/#]/)[0] ?? ''),
    )
    expect(leaving).toEqual([])
  })
})
