import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import { pageOf } from './page.ts'
import { sections } from './promises.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const promises = sections.flatMap((section) => section.promises)

/** Whether a source has a title, of a test or a group of tests: a string behind an opening bracket. */
function hasTitle(source: string, title: string): boolean {
  const escaped = title.replaceAll("'", String.raw`\'`)
  const literals = [`'${escaped}'`, `"${title}"`, `\`${title}\``]
  return literals.some((literal) => {
    const index = source.indexOf(literal)
    return index !== -1 && source.slice(0, index).trimEnd().endsWith('(')
  })
}

describe('the promises', () => {
  test.each(promises)('are kept by tests that exist: $says', ({ keptBy }) => {
    expect(keptBy).not.toEqual([])
    for (const keeper of keptBy) {
      if (keeper.kind === 'suite') {
        for (const path of [keeper.path, keeper.page]) {
          expect({ path, exists: existsSync(join(root, path)) }).toEqual({ path, exists: true })
        }
        continue
      }
      const source = readFileSync(join(root, keeper.file), 'utf8')
      expect(keeper.titles.filter((title) => !hasTitle(source, title))).toEqual([])
    }
  })

  test('are made once each', () => {
    expect(new Set(promises.map(({ says }) => says)).size).toBe(promises.length)
  })

  test('stand in docs/promises.md as `pnpm generate` writes them', () => {
    expect(readFileSync(join(root, 'docs/promises.md'), 'utf8')).toBe(pageOf(sections))
  })
})
