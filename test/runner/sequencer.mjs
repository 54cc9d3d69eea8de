/**
 * A Jest `testSequencer` that starts the files that take longest first, also where Jest has not run them before: on a
 * fresh clone it would go by the size of files, and a last long one would keep a single worker busy.
 */
import { createRequire } from 'node:module'

const requireOfConfig = ['jest', '@jest/core', 'jest-config'].reduce(
  (require, name) => createRequire(require.resolve(name)),
  createRequire(import.meta.url),
)
const { default: Sequencer } = requireOfConfig('@jest/test-sequencer')

/** Parts of paths, those of the longest files first. */
const LONG = [
  '/e2e/readme.test',
  '/e2e/examples.test',
  '/e2e/demo.test',
  '/e2e/',
  '/verify/path-search.test',
  '/attacks/mistaken-options.test',
  '/attacks/wrong-servers.test',
  '/fuzz/',
  '/cli/',
  '/engine-opa-wasm/',
  '/engine-cedar/',
  '/authz/http-engines.test',
  '/authz/dist/integration/',
  '/tls/dist/server/',
  '/rules/',
  '/attacks/',
  '/runner/',
]

export default class LongestFirst extends Sequencer {
  async sort(tests) {
    // oxlint-disable-next-line unicorn/no-array-sort -- a method of Jest's
    const sorted = await super.sort(tests)
    const isKnown = sorted.some(({ duration }) => duration !== undefined)
    return isKnown ? sorted : sorted.toSorted((one, other) => rank(one) - rank(other))
  }
}

/** The place of a test's file among those that take long; the others come behind them. */
function rank({ path }) {
  const index = LONG.findIndex((part) => path.replaceAll('\\', '/').includes(part))
  return index === -1 ? LONG.length : index
}
