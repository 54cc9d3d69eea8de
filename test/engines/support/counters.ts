import type { EngineStats } from '@fastify-spiffe/authz'

const COLUMNS = [
  'allowed',
  'denied',
  'failed',
  'timedOut',
  'lagged',
  'slow',
  'unavailable',
  'busy',
  'breaker',
] as const

/** Collects how engines stood at the end of each case. */
export class Counters {
  readonly #rows: string[][] = [['engine', 'case', ...COLUMNS]]

  note(engine: string, what: string, stats: EngineStats): void {
    this.#rows.push([engine, what, ...COLUMNS.map((column) => String(stats[column]))])
  }

  toString(): string {
    const [header = []] = this.#rows
    const widths = header.map((_, column) =>
      Math.max(...this.#rows.map((row) => row[column]?.length ?? 0)),
    )
    const line = (cells: readonly string[]): string =>
      `| ${cells.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join(' | ')} |`
    const rule = line(widths.map((width) => '-'.repeat(width)))
    const [first = '', ...rest] = this.#rows.map(line)
    return [first, rule, ...rest].join('\n')
  }
}
