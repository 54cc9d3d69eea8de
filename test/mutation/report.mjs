/** What was found, in numbers and as a page of Markdown. */
import { readFile } from 'node:fs/promises'
import { relative } from 'node:path'

const KILLED = ['Killed', 'Timeout']
const SURVIVED = ['Survived', 'NoCoverage']

/** A result of Stryker with the code that it is about. Lines are those of the TypeScript. */
export async function findingOf({ fileName, location: { start, end }, replacement, status }) {
  const lines = (await readFile(fileName, 'utf8')).split('\n').slice(start.line - 1, end.line)
  lines.push(lines.pop().slice(0, end.column - 1))
  lines[0] = lines[0].slice(start.column - 1)
  const text = oneLine(lines.join('\n'))
  const file = relative('.', fileName)
  return { file, line: start.line, text, replacement: oneLine(replacement), status }
}

const oneLine = (text) => text.replaceAll(/\s+/g, ' ').trim()

const count = (findings, statuses) =>
  findings.filter(({ status }) => statuses.includes(status)).length

/** Per cent of the mutants that a test noticed. */
export function scoreOf(findings) {
  const killed = count(findings, KILLED)
  return (100 * killed) / (killed + count(findings, SURVIVED))
}

export function sentenceOf(name, findings) {
  const survived = count(findings, SURVIVED)
  const tried = count(findings, KILLED) + survived
  const uncounted = findings.length - tried - count(findings, ['Ignored'])
  const rest = uncounted === 0 ? '' : `; ${uncounted} could not be tried`
  return `${name}: ${scoreOf(findings).toFixed(1)} % of ${tried} mutants found, ${survived} survived${rest}`
}

/** @param reasons why mutants may survive: `{ file, reason, changes: ['old → new'] }[]` */
export function survivorsPage(findings, reasons) {
  const sections = Object.entries(findings).map(([name, all]) => {
    const survivors = all
      .filter(({ status }) => SURVIVED.includes(status))
      .toSorted((one, other) => one.file.localeCompare(other.file) || one.line - other.line)
    const rows = survivors.map((finding) => row(finding, reasonFor(finding, reasons)))
    return [`## ${sentenceOf(name, all)}`, '', ...TABLE_HEAD, ...rows, ''].join('\n')
  })
  return [...PAGE_HEAD, ...sections].join('\n')
}

const PAGE_HEAD = [
  '# Mutants that survive',
  '',
  'Written by `pnpm test:mutation`; the reasons come from `reasons.json`.',
  '',
]
const TABLE_HEAD = ['| where | change | why it may survive |', '| --- | --- | --- |']

const changeOf = ({ text, replacement }) => `${text} → ${replacement}`

const reasonFor = (finding, reasons) =>
  reasons.find(({ file, changes }) => file === finding.file && changes.includes(changeOf(finding)))
    ?.reason ?? '**not explained yet**'

/**
 * What is explained and does not survive: `file: change`.
 * @param isComplete whether the findings are those of all parts; if not, reasons for other files are left out
 */
export function staleReasons(findings, reasons, isComplete) {
  const all = Object.values(findings).flat()
  const files = new Set(all.map(({ file }) => file))
  const survivors = all.filter(({ status }) => SURVIVED.includes(status))
  const survived = new Set(survivors.map((finding) => `${finding.file}: ${changeOf(finding)}`))
  return reasons
    .filter(({ file }) => isComplete || files.has(file))
    .flatMap(({ file, changes }) => changes.map((change) => `${file}: ${change}`))
    .filter((explained) => !survived.has(explained))
}

const row = (finding, reason) =>
  `| ${finding.file}:${finding.line} | ${asCode(finding.text)} → ${asCode(finding.replacement)} | ${reason} |`

const MOST_CHARACTERS = 120

function asCode(text) {
  const short = text.length > MOST_CHARACTERS ? `${text.slice(0, MOST_CHARACTERS)}…` : text
  return `\`\` ${short.replaceAll('|', '\\|')} \`\``
}
