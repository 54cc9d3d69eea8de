import { UsageError } from './usage.ts'

const units: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

const MAX_MS = 365 * 86_400_000

/**
 * Reads `30s`, `10m` or `1h` as milliseconds, from a second to a year.
 * @throws {@link UsageError}
 */
export function parseDuration(text: string): number {
  const [, amount = '', unit = ''] = /^(\d{1,8})([smh])$/.exec(text) ?? []
  const ms = Number(amount) * (units.get(unit) ?? 0)
  if (ms === 0 || ms > MAX_MS) {
    throw new UsageError(
      `'${text}' is not a duration from 1s to 8760h: write it like 30s, 10m or 1h`,
    )
  }
  return ms
}
