import { UsageError } from './usage.ts'

const units: ReadonlyMap<string, number> = new Map([
  ['s', 1000],
  ['m', 60_000],
  ['h', 3_600_000],
])

/**
 * Reads `30s`, `10m` or `1h` as milliseconds.
 * @throws {@link UsageError}
 */
export const parseDuration = (text: string): number => {
  const [, amount = '', unit = ''] = /^(\d{1,6})([smh])$/.exec(text) ?? []
  const unitMs = units.get(unit)
  if (unitMs === undefined) {
    throw new UsageError(`'${text}' is no duration: write it like 30s, 10m or 1h`)
  }
  return Number(amount) * unitMs
}
