import {
  parseMatcher,
  pathTemplate,
  matchPattern,
  SpiffeError,
  SpiffeId,
} from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import { texts } from './spiffe-id.ts'

interface Input {
  readonly pattern: string
  readonly id: string
}

const SEGMENTS = [
  '*',
  '**',
  '{tenant}',
  '{a}',
  '{_b1}',
  '{1}',
  '{}',
  '{a',
  'a}',
  'x{a}',
  'a*',
  '*a',
  'a*b',
  'a*a*',
  '***',
  '.*',
  '*.',
  '.',
  '..',
  '',
  'a',
  'aa',
  'ab',
  'aab',
  'b',
  '-',
  'a.b',
  'é',
  '%',
]

const patterns: fc.Arbitrary<string> = fc.oneof(
  {
    weight: 4,
    arbitrary: fc
      .array(fc.constantFrom(...SEGMENTS), { maxLength: 5 })
      .map((segments) => ['spiffe://example.org', ...segments].join('/')),
  },
  {
    weight: 2,
    arbitrary: fc
      .stringMatching(/^[ab*]{1,12}$/)
      .map((segment) => `spiffe://example.org/${segment}`),
  },
  { weight: 1, arbitrary: texts },
  // What a matcher that goes back and forth would never be done with.
  {
    weight: 1,
    arbitrary: fc.nat(900).map((stars) => `spiffe://example.org/${'a*'.repeat(stars)}b`),
  },
)

const ids: fc.Arbitrary<string> = fc.oneof(
  fc.stringMatching(/^(\/[ab.]{1,8}){0,4}$/).map((path) => `spiffe://example.org${path}`),
  fc.nat(2000).map((length) => `spiffe://example.org/${'a'.repeat(length)}`),
  texts,
)

// The language of patterns, segment by segment, as regular expressions.
const CAPTURE = /^\{[A-Za-z_][A-Za-z0-9_]*\}$/
const WILD = /^(?!\.{1,2}$)(?!.*\*\*)[A-Za-z0-9._*-]+$/
const HEAD = /^spiffe:\/\/[a-z0-9._-]{1,255}$/

function segmentsOf(text: string): readonly string[] | null {
  const [, head = '', path] = /^(spiffe:\/\/[^/]*)(?:\/(.*))?$/s.exec(text) ?? []
  if (text.length > 2048 || !HEAD.test(head)) return null
  if (path === undefined) return []
  const segments = path.split('/')
  const names = segments.filter((segment) => CAPTURE.test(segment))
  const isGood = segments.every(
    (segment, index) =>
      CAPTURE.test(segment) ||
      WILD.test(segment) ||
      (segment === '**' && index === segments.length - 1),
  )
  return isGood && new Set(names).size === names.length ? segments : null
}

/** By the definition of `*` and `**`, without a thought for speed: a table of which ends fit which. */
function matchesSlowly(segments: readonly string[], candidates: readonly string[]): boolean {
  if (segments.at(-1) === '**') {
    const before = segments.slice(0, -1)
    const isLonger = candidates.length > before.length
    return isLonger && matchesSlowly(before, candidates.slice(0, before.length))
  }
  return (
    segments.length === candidates.length &&
    segments.every((segment, index) => fits(segment, candidates[index]!))
  )
}

function fits(segment: string, candidate: string): boolean {
  if (CAPTURE.test(segment)) return true
  let ends = new Set([0])
  for (const character of segment) {
    const next = new Set<number>()
    for (const end of ends) {
      if (character === '*') for (let to = end; to <= candidate.length; to += 1) next.add(to)
      else if (candidate[end] === character) next.add(end + 1)
    }
    ends = next
  }
  return ends.has(candidate.length)
}

export const openPatterns = (): Target<Input> => ({
  inputs: fc.record({ pattern: patterns, id: ids }),
  read({ pattern: text, id: idText }) {
    const segments = segmentsOf(text)
    try {
      const matcher = matchPattern(text)
      check(segments !== null, 'the language says that it is no pattern')
      const id = SpiffeId.safeParse(idText)
      if (!id.ok) return ACCEPTED
      return judgeMatch(text, segments, matcher.matches(id.value), id.value)
    } catch (error) {
      if (!(error instanceof SpiffeError)) throw error
      check(segments === null, 'the language says that it is a pattern')
      parsesOrRefuses(text)
      return error.code
    }
  },
  bytesOf: (input) => Buffer.from(JSON.stringify(input)),
  [Symbol.asyncDispose]: () => Promise.resolve(),
})

function judgeMatch(
  text: string,
  segments: readonly string[],
  matched: boolean,
  id: SpiffeId,
): string {
  // The table is too slow for texts of thousands of characters: those are there for the time that they take.
  if (text.length < 200 && id.path.length < 200) {
    const isOfDomain = text.split('/')[2] === id.trustDomain.name
    const expected = isOfDomain && matchesSlowly(segments, id.segments)
    check(matched === expected, `the definition says ${expected} of ${id.toString()}`)
  }
  const captures = matchPattern(text).capture(id)
  check((captures !== null) === matched, 'capture and matches differ')
  for (const value of captures?.values() ?? []) {
    check(id.segments.includes(value), 'it captures what is no segment')
  }
  return matched ? 'matched' : 'unmatched'
}

/** The two other readers of this language throw the same errors, if any. */
function parsesOrRefuses(text: string): void {
  for (const read of [() => parseMatcher(text), () => pathTemplate(text.slice(20))]) {
    try {
      read()
    } catch (error) {
      if (!(error instanceof SpiffeError)) throw error
    }
  }
}
