/**
 * Prints what imports what: lines of packages, arrows that run up, and knots.
 *
 *   node test/dist/architecture/report.js [root of a repository]
 */
import { fileURLToPath } from 'node:url'
import {
  faultsBetweenPackages,
  faultsBetweenRooms,
  filesOf,
  packageGraphOf,
  roomGraphOf,
} from './arrows.ts'
import { knotsOf, type Graph } from './knots.ts'
import { readPackages, type Package } from './source-tree.ts'

const root = process.argv[2] ?? fileURLToPath(new URL('../../../', import.meta.url))
const packages = readPackages(root)
const count = (graph: Graph): number => [...graph.values()].reduce((sum, { size }) => sum + size, 0)

function linesOf({ files }: Package, ofTests: boolean): number {
  return files.reduce((sum, { isTest, lines }) => (isTest === ofTests ? sum + lines : sum), 0)
}

function row(of: Package): Record<string, number> {
  const rooms = roomGraphOf(of)
  return {
    lines: linesOf(of, false),
    'lines of tests': linesOf(of, true),
    rooms: rooms.size,
    'arrows between rooms': count(rooms),
    'knots of rooms': knotsOf(rooms).length,
    'rooms in knots': knotsOf(rooms).flat().length,
    'knots of files': knotsOf(filesOf(of)).length,
    'files in knots': knotsOf(filesOf(of)).flat().length,
  }
}

const rows = packages.map((each): [string, Record<string, number>] => [each.folder, row(each)])
const sums: Record<string, number> = {}
for (const [, figures] of rows) {
  for (const [name, figure] of Object.entries(figures)) sums[name] = (sums[name] ?? 0) + figure
}

const up = packages.flatMap((each) => [
  ...faultsBetweenPackages(each, packages),
  ...faultsBetweenRooms(each),
])
const knots = packages.flatMap((each) =>
  [...knotsOf(roomGraphOf(each)), ...knotsOf(filesOf(each))].map(
    (members) => `${each.folder}: ${members.join(' ')}`,
  ),
)

// oxlint-disable-next-line no-console -- what a command prints
console.table(Object.fromEntries([...rows, ['all', sums]]))
process.stdout.write(`\n${up.length} arrows up\n${up.map((each) => `  ${each}\n`).join('')}`)
process.stdout.write(`\n${knots.length} knots\n${knots.map((each) => `  ${each}\n`).join('')}`)
process.stdout.write(
  `\n${knotsOf(packageGraphOf(packages)).length} knots of packages, ${count(packageGraphOf(packages))} arrows between packages\n`,
)
