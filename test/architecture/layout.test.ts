import { fileURLToPath } from 'node:url'
import { describe, expect, test } from '@jest/globals'
import {
  faultsBetweenPackages,
  faultsBetweenRooms,
  filesOf,
  packageGraphOf,
  roomGraphOf,
} from './arrows.ts'
import { importsOf } from './imports.ts'
import { knotsOf } from './knots.ts'
import { layout } from './layout.ts'
import { readPackages, type Package } from './source-tree.ts'

const packages = readPackages(fileURLToPath(new URL('../../../', import.meta.url)))

describe('between packages', () => {
  test.each(packages)('$folder imports what it declares, and nothing above it', (each) => {
    expect(faultsBetweenPackages(each, packages)).toEqual([])
  })

  test('no packages import each other', () => {
    expect(knotsOf(packageGraphOf(packages))).toEqual([])
  })

  test('the layout names no package of a higher floor, nor one of its own in a circle', () => {
    const allowed = Object.entries(layout)
    for (const [, { floor, imports }] of allowed) {
      for (const each of imports) expect(layout[each]?.floor).toBeLessThanOrEqual(floor)
    }
    expect(
      knotsOf(new Map(allowed.map(([name, { imports }]) => [name, new Set(imports)]))),
    ).toEqual([])
  })
})

describe('within a package', () => {
  test.each(packages)('the folders of $folder import only from those below them', (each) => {
    expect(faultsBetweenRooms(each)).toEqual([])
  })

  test.each(packages)('no folders and no files of $folder import each other', (each) => {
    expect([...knotsOf(roomGraphOf(each)), ...knotsOf(filesOf(each))]).toEqual([])
  })
})

describe('what the test sees', () => {
  const source = `/// <reference types="of-reference" />
import value from 'of-import'
import type { Type } from 'of-type'
import 'of-effect'
export * from 'of-export'
export { one, two } from 'of-names'
// import comment from 'of-comment'
const text = \`import string from 'of-string'\`
const lazy = await import('of-dynamic')
let typed: import('of-type-query').Thing
declare module 'of-augmentation' {}
`

  test('every kind of import is seen with its line, and no text that looks like one', () => {
    expect(importsOf('example.ts', source)).toEqual([
      { specifier: 'of-reference', line: 1 },
      { specifier: 'of-import', line: 2 },
      { specifier: 'of-type', line: 3 },
      { specifier: 'of-effect', line: 4 },
      { specifier: 'of-export', line: 5 },
      { specifier: 'of-names', line: 6 },
      { specifier: 'of-dynamic', line: 9 },
      { specifier: 'of-type-query', line: 10 },
      { specifier: 'of-augmentation', line: 11 },
    ])
  })

  test('an import of a package on a floor above is named with its place and both floors', () => {
    const tls = pretended('tls', 'server/server.ts', `import type {} from '@fastify-spiffe/svid'`)
    expect(faultsBetweenPackages(tls, packages)).toEqual([
      'packages/tls/src/server/server.ts:1 imports @fastify-spiffe/svid: from tls (floor 2) to svid (floor 3)',
    ])
  })

  test('an import that package.json does not declare is named', () => {
    const peer = pretended('peer', 'plugin.ts', `export * from 'undici/types'`)
    expect(faultsBetweenPackages(peer, packages)).toEqual([
      'packages/peer/src/plugin.ts:1 imports undici/types: not declared in packages/peer/package.json',
    ])
  })

  test('an import that leaves the published files of the package is named', () => {
    const svid = pretended('svid', 'plugin.ts', `import './plugin.test.kit.ts'`)
    expect(faultsBetweenRooms(svid)).toContain(
      'packages/svid/src/plugin.ts:1 imports ./plugin.test.kit.ts: which is no published file of the package',
    )
  })

  test('an import of a folder above is named with its place and both folders', () => {
    const server = pretended('svid', 'server/server.ts', '').files
    const svid = pretended('svid', 'log/log.ts', `import type {} from '../server/server.ts'`)
    expect(faultsBetweenRooms({ ...svid, files: [...svid.files, ...server] })).toContain(
      'packages/svid/src/log/log.ts:1 imports ../server/server.ts: from log (room 3 of svid) up to server (room 6)',
    )
  })

  test('a folder that has no place in the layout is named', () => {
    expect(faultsBetweenRooms(pretended('svid', 'attic/box.ts', ''))).toContain(
      'packages/svid/src/attic has no place in layout.ts',
    )
  })

  test('folders that import each other by way of others are one knot', () => {
    const graph = { a: ['b'], b: ['c', 'd'], c: ['a'], d: ['e'], e: [], f: ['f'] }
    expect(
      knotsOf(new Map(Object.entries(graph).map(([name, to]) => [name, new Set(to)]))),
    ).toEqual([['a', 'b', 'c']])
  })
})

function pretended(folder: string, path: string, text: string): Package {
  return {
    folder,
    name: `@fastify-spiffe/${folder}`,
    dependencies: new Set(['@fastify-spiffe/tls', '@fastify-spiffe/svid']),
    devDependencies: new Set(),
    files: [{ path, isTest: false, lines: 1, imports: importsOf(path, text) }],
  }
}
