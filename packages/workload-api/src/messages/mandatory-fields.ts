import { WorkloadApiError } from '../errors.ts'

/**
 * Workload API §4.5, §5.2.1, §6.2.1: a mandatory field with its default value: the message is discarded.
 * @param name of the entry, such as `SVID 0`
 * @throws {@link WorkloadApiError} `invalid-message`
 */
export function checkMandatory<Field extends string>(
  name: string,
  entry: Readonly<Record<Field, Buffer | string>>,
  fields: readonly Field[],
): void {
  const missing = fields.find((field) => entry[field].length === 0)
  if (missing === undefined) return
  throw new WorkloadApiError('invalid-message', `${name} of a message has no ${missing}`)
}
