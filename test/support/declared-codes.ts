import { readFileSync } from 'node:fs'
import { sourceFiles } from './source-files.ts'

/** A closed list of codes, as the sources declare it. */
export interface CodeUnion {
  /** The name of the type. */
  readonly name: string
  readonly codes: readonly string[]
}

const UNION =
  /^export type (?<name>\w+(?:Code|Reason|Fault|Problem|State)) =(?<body>.*?)\n(?=\n|\/\*\*|export|const|interface)/gms
const LITERAL = /'(?<code>[\w-]+)'/g
/** Of a log line, a warning of the process, a refusal, or an error. */
const USE = /(?:\bcode: |\w+Error\(\s*|\bcode: \w+ \? )'(?<code>[\w-]+)'/g

/** All closed unions of codes that the packages declare, with the codes of the unions that they name. */
export function declaredUnions(root: string): CodeUnion[] {
  const declared = sourcesOf(root).flatMap((source) =>
    Array.from(source.matchAll(UNION), ({ groups }) => ({
      name: groups!['name']!,
      codes: codesOf(groups!['body']!, source),
      parts: new Set<string>(withoutComments(groups!['body']!).match(/\b[A-Z]\w+/g)),
    })),
  )
  return declared
    .map(({ name, codes, parts }) => {
      const named = declared.filter((other) => parts.has(other.name))
      return { name, codes: [...new Set([...codes, ...named.flatMap((other) => other.codes)])] }
    })
    .filter(({ codes }) => codes.length > 0)
}

/** All codes that the sources use, wherever they are declared. */
export function usedCodes(root: string): string[] {
  const codes = sourcesOf(root).flatMap((source) => literals(source, USE))
  return [...new Set(codes)].toSorted()
}

/** The literals of a union, or of the list that it is made of: `(typeof codes)[number]`. */
function codesOf(body: string, source: string): string[] {
  const list = /\(typeof (?<list>\w+)\)\[number\]/.exec(body)?.groups?.['list']
  if (list === undefined) return literals(withoutComments(body), LITERAL)
  const declared = new RegExp(`^const ${list} = \\[(?<items>.*?)^\\]`, 'ms').exec(source)
  return literals(withoutComments(declared?.groups?.['items'] ?? ''), LITERAL)
}

const literals = (text: string, pattern: RegExp): string[] =>
  Array.from(text.matchAll(pattern), ({ groups }) => groups!['code']!)

const withoutComments = (text: string): string => text.replaceAll(/\/\*.*?\*\/|\/\/[^\n]*/gs, '')

function sourcesOf(root: string): string[] {
  return sourceFiles(root).map((path) => readFileSync(path, 'utf8'))
}
