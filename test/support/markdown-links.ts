import { existsSync, readFileSync, statSync } from 'node:fs'
import { dirname, join, normalize } from 'node:path'

const CODE = /^(?<fence>```+)[^\n]*\n.*?^\k<fence>$|`[^`\n]*`/gms
const LINK = /\]\((?<target>[^()\s]+)\)/g
const HEADING = /^#{1,6} (.+)$/gm

/** The relative links of a document that lead to no file, or to no heading of one. */
export function brokenLinks(root: string, path: string): string[] {
  return relativeLinksOf(readFileSync(join(root, path), 'utf8')).filter(
    (target) => !leadsSomewhere(root, path, target),
  )
}

/** The targets of the relative links of a document, those to its own headings included. */
export function relativeLinksOf(markdown: string): string[] {
  return Array.from(
    markdown.replaceAll(CODE, '').matchAll(LINK),
    ({ groups }) => groups!['target']!,
  ).filter((target) => !/^[a-z]+:/.test(target))
}

function leadsSomewhere(root: string, path: string, target: string): boolean {
  const [name = '', heading] = target.split('#')
  const file = name === '' ? path : normalize(join(dirname(path), name))
  if (file.startsWith('..') || !existsSync(join(root, file))) return false
  if (heading === undefined) return true
  const page = statSync(join(root, file)).isDirectory() ? join(file, 'README.md') : file
  return (
    existsSync(join(root, page)) && anchorsOf(readFileSync(join(root, page), 'utf8')).has(heading)
  )
}

/** The anchors of the headings, as GitHub makes them. */
export function anchorsOf(markdown: string): ReadonlySet<string> {
  const anchors = new Set<string>()
  const prose = markdown.replaceAll(/^```.*?^```$/gms, '')
  for (const [, heading = ''] of prose.matchAll(HEADING)) {
    const anchor = heading
      .replaceAll(/\[(?<text>[^\]]*)\]\([^)]*\)/g, '$<text>')
      .toLowerCase()
      .replaceAll(/[^\p{L}\p{N}\s_-]/gu, '')
      .replaceAll(' ', '-')
    let unique = anchor
    for (let copy = 1; anchors.has(unique); copy += 1) unique = `${anchor}-${copy}`
    anchors.add(unique)
  }
  return anchors
}
