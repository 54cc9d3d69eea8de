import { createHash } from 'node:crypto'
import { describeName } from '@fastify-spiffe/spiffe/internal'
import { compileCallers, type CompiledCallers } from '../principals/callers.ts'
import { RuleLocation } from '../location.ts'
import { contentDigest } from './content-digest.ts'
import type { RoutePattern } from './route-pattern.ts'
import { describeRoute, type PolicyDocument, type PolicyTest } from './document.ts'
import { readTests } from './tests.ts'

/** A rule of a document that has not been compiled for a route yet. */
export interface PolicyRule {
  /** Where it is, such as `routes["GET /orders"]`. */
  readonly root: string
  readonly rule: unknown
}

const KEYS = ['version', 'roles', 'policies', 'routes', 'prefixes', 'tests'] as const

/** A policy document, read: well-formed as a whole. Its rules are compiled for each route that they cover. */
export class Policy {
  readonly version: string
  /** Of its content, whatever the order of its keys: the same for a file and for a document that code has. */
  readonly digest: string
  /** Where it comes from: the name of a file, or of an option. */
  readonly source: string
  readonly roles: ReadonlyMap<string, CompiledCallers>
  readonly tests: readonly PolicyTest[]
  /** Of the bytes that were read; `null` for a document that was made in code, which may hold functions. */
  readonly #fileDigest: string | null
  readonly #policies: ReadonlyMap<string, unknown>
  readonly #routes: ReadonlyMap<string, unknown>
  /** The longest first. */
  readonly #prefixes: readonly (readonly [string, unknown])[]

  /**
   * @param source - where it comes from, for errors
   * @param fileDigest - a digest of the file that it comes from
   * @throws {PolicyError} `invalid-rule`
   */
  constructor(document: PolicyDocument, source: string, fileDigest: string | null = null) {
    const place = RuleLocation.ofDocument(source, 'policy')
    const members = place.members('policy', document, KEYS)
    const section = (name: string): ReadonlyMap<string, unknown> =>
      place.entries(name, members.get(name) ?? {})
    this.source = source
    this.#fileDigest = fileDigest
    this.digest = digestOfContent(place, document)
    this.version = readVersion(place, members.get('version'), fileDigest ?? this.digest)
    this.roles = new Map(
      Array.from(section('roles'), ([name, callers]) => [
        name,
        compileCallers(place, `roles["${describeName(name)}"]`, callers),
      ]),
    )
    this.#policies = section('policies')
    this.#routes = section('routes')
    this.#prefixes = [...section('prefixes')].toSorted(([a], [b]) => b.length - a.length)
    for (const [prefix] of this.#prefixes) checkPrefix(place, prefix)
    this.tests = readTests(place, members.get('tests') ?? [])
  }

  /** Whether both were read from the same bytes. */
  isSameFileAs(other: Policy): boolean {
    return this.#fileDigest !== null && this.#fileDigest === other.#fileDigest
  }

  /** Whether it was read from a file. */
  get isFromFile(): boolean {
    return this.#fileDigest !== null
  }

  /** The keys of `routes`. */
  get routes(): readonly string[] {
    return [...this.#routes.keys()]
  }

  /** The rule of one route; `HEAD` goes with `GET`. */
  ofRoute(method: string, url: string): PolicyRule | null {
    const key = `${method} ${url}`
    if (this.#routes.has(key)) {
      return this.#resolve(`routes["${describeRoute(key)}"]`, this.#routes.get(key))
    }
    return method === 'HEAD' ? this.ofRoute('GET', url) : null
  }

  /** The rules of the prefixes that a route is under, the longest first. */
  ofPrefixes(pattern: RoutePattern): readonly PolicyRule[] {
    return this.#rulesOf((prefix) => pattern.isBelow(prefix))
  }

  /** The rules of the prefixes that a route is not under, but can match below. */
  ofReachedPrefixes(pattern: RoutePattern): readonly PolicyRule[] {
    return this.#rulesOf((prefix) => !pattern.isBelow(prefix) && pattern.canMatchBelow(prefix))
  }

  #rulesOf(isMeant: (prefix: string) => boolean): readonly PolicyRule[] {
    return this.#prefixes
      .filter(([prefix]) => isMeant(prefix))
      .map(([prefix, rule]) => this.#resolve(`prefixes["${prefix}"]`, rule))
  }

  /**
   * The rule at a place, or the one of `policies` that is named there.
   *
   * @throws {PolicyError} `invalid-rule`
   */
  resolve(place: RuleLocation, rule: unknown): PolicyRule {
    if (typeof rule !== 'string') return { root: place.root, rule }
    if (this.#policies.has(rule)) {
      return { root: `policies["${describeName(rule)}"]`, rule: this.#policies.get(rule) }
    }
    const known = [...this.#policies.keys()].join(', ') || 'none'
    return place.refuse(place.root, rule, `is not a policy of the document; there are ${known}`)
  }

  #resolve(root: string, rule: unknown): PolicyRule {
    return this.resolve(RuleLocation.ofDocument(this.source, root), rule)
  }
}

/** SHA-256, in hexadecimal. */
export function digestOf(text: string): string {
  return createHash('sha256').update(text).digest('hex')
}

/** What holds itself, or nests without end, has none. */
function digestOfContent(place: RuleLocation, document: PolicyDocument): string {
  try {
    return contentDigest(document)
  } catch {
    return place.refuse('policy', document, 'cannot be written as JSON')
  }
}

function readVersion(place: RuleLocation, version: unknown, digest: string): string {
  if (version === undefined) return digest.slice(0, 12)
  if (typeof version === 'string' && /^[\w.:+-]{1,100}$/.test(version)) return version
  return place.refuse('version', version, 'must have up to 100 letters, digits and . : + - _')
}

function checkPrefix(place: RuleLocation, prefix: string): void {
  if (prefix.startsWith('/') && (prefix === '/' || !prefix.endsWith('/'))) return
  place.refuse('prefixes', prefix, 'must start with a slash and not end with one')
}
