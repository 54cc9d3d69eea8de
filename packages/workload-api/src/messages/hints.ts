import { WorkloadApiError } from '../errors.ts'
import { LIMITS } from './limits.ts'

interface Hinted {
  readonly hint: string
}

/** Workload API §5.2.1, §6.2.1: of SVIDs with the same hint the first is used, the others are ignored. */
export function withoutRepeatedHints<T extends Hinted>(svids: readonly T[]): readonly T[] {
  const hints = new Set<string>()
  return svids.filter(({ hint }) => {
    const repeated = hints.has(hint)
    if (hint !== '') hints.add(hint)
    return !repeated
  })
}

/** @throws {@link WorkloadApiError} `invalid-svid` */
export function checkHint(hint: string): void {
  if (Buffer.byteLength(hint) <= LIMITS.hintBytes) return
  const message = `the hint of an SVID is longer than ${LIMITS.hintBytes} bytes`
  throw new WorkloadApiError('invalid-svid', message)
}
