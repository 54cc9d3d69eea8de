import { TufError } from '../errors.ts'

/** How long metadata is valid, in ms. Default: of roots a year, of targets 90 days, of snapshots a week, of timestamps a day. */
export interface Lifetimes {
  readonly root: number
  readonly targets: number
  readonly snapshot: number
  readonly timestamp: number
}

const DAY_MS = 86_400_000

export const DEFAULT_LIFETIMES: Lifetimes = {
  root: 365 * DAY_MS,
  targets: 90 * DAY_MS,
  snapshot: 7 * DAY_MS,
  timestamp: DAY_MS,
}

const TARGET_PATH = /^[\w+@=-][\w.+@=-]*(?:\/[\w+@=-][\w.+@=-]*)*$/
const MAX_PATH = 500

/** @throws {@link TufError} `invalid-repository` */
export function assertTargetPath(path: string): void {
  if (path.length <= MAX_PATH && TARGET_PATH.test(path)) return
  const rule =
    'must have segments of letters, digits and _ . + @ = -, none of which begins with a dot'
  throw new TufError('invalid-repository', `the path of a target ${rule}`)
}
