import { SpiffeId, TrustDomain } from '@fastify-spiffe/spiffe'
import { canonicalAddress } from './addresses.ts'
import type { RuleLocation } from '../location.ts'
import type { AttributeName, AttributeValue } from './attributes.ts'

/**
 * A condition as plain data, for rules that are kept in files. Attributes are compared as text: a tenant by its name, a
 * trust domain and a SPIFFE ID as they are written. An absent attribute equals nothing, not even another absent one.
 */
export type Comparison =
  | {
      readonly attribute: AttributeName
      readonly equals: string | { readonly attribute: AttributeName }
    }
  | { readonly attribute: AttributeName; readonly in: readonly string[] }
  | { readonly attribute: AttributeName; readonly present: boolean }
  | { readonly all: readonly Comparison[] }
  | { readonly any: readonly Comparison[] }
  | { readonly not: Comparison }

/** A comparison as requests meet it. */
export interface CompiledComparison {
  /** Every attribute that it names, once: their values are compared in this order. */
  readonly reads: readonly string[]
  readonly holds: Holds
}

/** @param values - of the attributes that it reads, in their order: a view by their names would cost more than the rest */
type Holds = (values: readonly AttributeValue[]) => boolean

/** An attribute of a comparison: its name, and its place among the values. */
interface Operand {
  readonly name: string
  readonly index: number
}

const KINDS = ['attribute', 'all', 'any', 'not'] as const
const OPERATORS = ['equals', 'in', 'present'] as const
/** Longer than the key of any rule that people can read: what nests without end ends here. */
const MAX_KEY_LENGTH = 1000

/** Whether an object is meant as a {@link Comparison}. */
export function isComparison(value: unknown): boolean {
  return (
    typeof value === 'object' && value !== null && KINDS.some((kind) => Object.hasOwn(value, kind))
  )
}

/**
 * Compiles a comparison. Whether its attributes exist is not its concern.
 *
 * @throws {PolicyError} `invalid-rule`
 */
export function compileComparison(
  place: RuleLocation,
  key: string,
  value: unknown,
): CompiledComparison {
  const compiler = new ComparisonCompiler(place)
  const holds = compiler.compile(key, value)
  return { reads: compiler.reads, holds }
}

class ComparisonCompiler {
  readonly reads: string[] = []
  readonly #place: RuleLocation

  constructor(place: RuleLocation) {
    this.#place = place
  }

  compile(key: string, value: unknown): Holds {
    if (key.length > MAX_KEY_LENGTH) return this.#place.refuse(key, value, 'is nested too deeply')
    const members = this.#place.members(key, value, [...KINDS, ...OPERATORS])
    if (members.has('attribute')) return this.#compare(key, members)
    const [kind, ...others] = members.keys()
    if (kind === undefined || others.length > 0) {
      return this.#place.refuse(key, value, `must have exactly one of ${KINDS.join(', ')}`)
    }
    return this.#combine(`${key}.${kind}`, kind, members.get(kind))
  }

  #combine(key: string, kind: string, value: unknown): Holds {
    if (kind === 'not') return negated(this.compile(key, value))
    if (kind === 'all') return all(this.#compileList(key, value))
    if (kind === 'any') return any(this.#compileList(key, value))
    return this.#place.refuse(key, value, 'needs an attribute beside it')
  }

  #compileList(key: string, value: unknown): readonly Holds[] {
    if (!Array.isArray(value) || value.length === 0) {
      return this.#place.refuse(key, value, 'must be a list that is not empty')
    }
    return value.map((part, position) => this.compile(`${key}[${position}]`, part))
  }

  #compare(key: string, members: ReadonlyMap<string, unknown>): Holds {
    const operand = this.#read(`${key}.attribute`, members.get('attribute'))
    const operator = OPERATORS.find((each) => members.has(each))
    if (operator === undefined || members.size !== 2) {
      const why = `must have an attribute and one of ${OPERATORS.join(', ')}`
      return this.#place.refuse(key, Object.fromEntries(members), why)
    }
    const value = members.get(operator)
    if (operator === 'equals') return this.#equals(`${key}.equals`, operand, value)
    if (operator === 'in') return this.#in(`${key}.in`, operand, value)
    if (typeof value !== 'boolean') {
      return this.#place.refuse(`${key}.present`, value, 'must be a boolean')
    }
    return (values) => (values[operand.index] !== undefined) === value
  }

  #equals(key: string, { name, index }: Operand, value: unknown): Holds {
    if (typeof value === 'string') {
      this.#assertComparable(key, name, value)
      return (values) => textOf(values[index]) === value
    }
    const other = this.#read(
      `${key}.attribute`,
      this.#place.members(key, value, ['attribute']).get('attribute'),
    )
    return (values) => {
      const text = textOf(values[index])
      return text !== undefined && text === textOf(values[other.index])
    }
  }

  #in(key: string, { name, index }: Operand, value: unknown): Holds {
    if (!Array.isArray(value) || !value.every((each) => typeof each === 'string')) {
      return this.#place.refuse(key, value, 'must be a list of strings')
    }
    for (const each of value) this.#assertComparable(key, name, each)
    const texts: ReadonlySet<string | undefined> = new Set<string>(value)
    return (values) => texts.has(textOf(values[index]))
  }

  /** An address has one text: any other one would equal nothing. */
  #assertComparable(key: string, name: string, value: string): void {
    if (name !== 'ip' || canonicalAddress(value) === value) return
    this.#place.refuse(key, value, 'must be an address as RFC 5952 writes it')
  }

  #read(key: string, name: unknown): Operand {
    if (typeof name !== 'string') {
      return this.#place.refuse(key, name, 'must be the name of an attribute')
    }
    const known = this.reads.indexOf(name)
    return { name, index: known === -1 ? this.reads.push(name) - 1 : known }
  }
}

function negated(holds: Holds): Holds {
  return (values) => !holds(values)
}

function all(parts: readonly Holds[]): Holds {
  return (values) => parts.every((holds) => holds(values))
}

function any(parts: readonly Holds[]): Holds {
  return (values) => parts.some((holds) => holds(values))
}

function textOf(value: AttributeValue): string | undefined {
  if (value === undefined || typeof value === 'string') return value
  return value instanceof SpiffeId || value instanceof TrustDomain ? value.toString() : value.name
}
