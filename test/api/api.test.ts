import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { gapsOf } from './coverage.ts'
import { readEntries } from './entries.ts'
import { pagesOf } from './page.ts'

let root: string

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'api-'))
})

afterEach(() => rmSync(root, { recursive: true }))

/** Writes a package of one module, as source and as declarations. */
function writePackage(name: string, source: string, declarations: string): void {
  const folder = join(root, 'packages', name)
  const files = {
    'package.json': JSON.stringify({
      name: `@fastify-spiffe/${name}`,
      description: 'An example',
      exports: { '.': { types: './dist/index.d.ts' }, './package.json': './package.json' },
    }),
    'src/index.ts': source,
    'dist/index.d.ts': declarations,
  }
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, path)), { recursive: true })
    writeFileSync(join(folder, path), text)
  }
}

test('a page shows each export with its signature, its docstring and its members', () => {
  writePackage(
    'one',
    '',
    `/** Adds two numbers, see {@link Sum}.
 * @throws {@link RangeError} when it is too much */
export declare function add(a: number, b: number): Sum;
/** What <add> makes. */
export interface Sum { /** In \`<units>\`. */ readonly value: number; readonly by?: string }
declare class Hidden {}
`,
  )
  const page = pagesOf(readEntries(root)).get('one.md')
  expect(page).toContain('| [`add`](#add) | function | Adds two numbers, see [`Sum`](#sum). |')
  expect(page).toContain('```typescript\nfunction add(a: number, b: number): Sum\n```')
  expect(page).toContain('- Throws `RangeError` when it is too much')
  expect(page).toContain('What &lt;add> makes.')
  expect(page).toContain('- `readonly value: number` – In `<units>`.\n- `readonly by?: string`\n')
  expect(page).not.toContain('Hidden')
})

test('what a package exports of another is listed with a link to where it is described', () => {
  writePackage('one', '', '/** First. Second. */\nexport declare const a: string;')
  writePackage(
    'two',
    '',
    `/** Own. */\nexport declare const b: string;\nexport * from '@fastify-spiffe/one';`,
  )
  writePackage('three', '', `export * from '@fastify-spiffe/one';`)
  const pages = pagesOf(readEntries(root))
  expect(pages.get('two.md')).toContain(
    '| `a` | constant | First. (from [`@fastify-spiffe/one`](one.md)) |',
  )
  expect([...pages.keys()]).toEqual(['README.md', 'one.md', 'two.md'])
  expect(pages.get('README.md')).toContain(
    '| `@fastify-spiffe/three` | The same as [`@fastify-spiffe/one`](one.md). |',
  )
})

test('a docstring that leaves out the sentence, the error, the default or the unit is named', () => {
  writePackage(
    'one',
    `export function bare() {}
export function throwing() { helper() }
export function catching() { try { helper() } catch {} }
export function calling() { return () => { throw new Error() } }
export class Throwing { constructor() { [1].map(() => helper()) } #own() {} }
function helper() { throw new Error() }
`,
    `export declare function bare(): void;
/** Throws. */
export declare function throwing(): void;
/** Throws not. */
export declare function catching(): void;
/** Throws later. */
export declare function calling(): () => void;
/** Throws when made. */
export declare class Throwing { constructor(); }
/** Options. */
export interface Options {
  readonly none: string
  /** What. */ readonly optional?: string
  /** How long. Default 5. */ readonly waitMs?: number
}
`,
  )
  expect(gapsOf(root, readEntries(root)).map((gap) => gap.split('index.ts: ')[1])).toEqual([
    'Options.none has no docstring',
    'Options.optional names no default',
    'Options.waitMs names no unit',
    'Throwing.constructor throws, and does not say so',
    'bare has no docstring with a first sentence',
    'throwing throws, and does not say so',
  ])
})
