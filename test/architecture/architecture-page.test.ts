import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { layout } from './layout.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const page = readFileSync(join(root, 'ARCHITECTURE.md'), 'utf8')

const foldersOf = (path: string): string[] =>
  readdirSync(join(root, path), { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name)

/** The first column of the first table below a heading. */
function firstColumn(heading: string): string[] {
  const [, section = ''] = page.split(`\n${heading}\n`)
  const rows = section.split(/^## /m)[0]!.matchAll(/^\| `(?<cell>[^`]+)` +\|/gm)
  return Array.from(rows, ({ groups }) => groups!['cell']!)
}

describe('ARCHITECTURE.md', () => {
  test.each(foldersOf('packages'))('shows the package %s on its floor', (name) => {
    const row = page.split('\n').find((line) => line.includes(`[\`${name}\`](packages/${name})`))
    expect(row).toMatch(new RegExp(`^\\| ${layout[name]?.floor} `))
  })

  test('shows each folder of `policy`, in the order in which they may import each other', () => {
    const shown = firstColumn('### `policy`, folder by folder')
    const folders = foldersOf('packages/policy/src').filter((name) => name !== 'internal')
    expect(shown.toSorted()).toEqual(folders.toSorted())
    const order = layout['policy']!.rooms.filter((room) => shown.includes(room))
    expect(shown.filter((room) => order.includes(room))).toEqual(order)
  })
})
