import { PolicyError } from '../errors.ts'
import { readOption, assertKnown, asInteger } from '../option-readers.ts'
import { BloomFilter } from './bloom-filter.ts'

/** Says definitively whether a device is in the list. A rejection refuses the request. */
export type ConfirmDevice = (deviceId: string) => Promise<boolean>

/** Options of `deviceList`. */
export interface DeviceListOptions {
  /** Devices that are kept as they are; a longer list becomes a filter. Default 100 000, about 10 MB. */
  readonly maxExact?: number
  /** The share of strangers that a filter takes for members at first sight. Default 0.001. */
  readonly falsePositiveRate?: number
  /**
   * Asked about each device that a filter takes for a member: the filter alone never says yes.
   * Needed for long lists. Default: no device is confirmed.
   */
  readonly confirm?: ConfirmDevice
}

type DeviceListSettings = Required<Omit<DeviceListOptions, 'confirm'>> & {
  /** `null`: nobody. */
  readonly confirm: ConfirmDevice | null
}

/** A list of devices, kept exactly while it is short, and as a filter that is confirmed elsewhere when it is long. */
export class DeviceList {
  readonly #options: DeviceListSettings
  #exact: ReadonlySet<string> | null = null
  #filter: BloomFilter | null = null

  /**
   * @throws {PolicyError} `unknown-option`, `invalid-option`, also if the list is long and
   *   `confirm` is missing
   */
  constructor(devices: Iterable<string>, options: DeviceListOptions = {}) {
    this.#options = readListOptions(options)
    this.replace(devices)
  }

  /**
   * Puts another list in place of this one, at once.
   *
   * @throws {PolicyError} `invalid-option` if it is long and `confirm` is missing; the former list
   *   stays
   */
  replace(devices: Iterable<string>): void {
    const { maxExact, falsePositiveRate, confirm } = this.#options
    const exact = new Set(devices)
    if (exact.size <= maxExact) {
      this.#exact = exact
      this.#filter = null
      return
    }
    if (confirm === null) {
      const why = `${exact.size} devices are more than maxExact: confirm is needed`
      throw new PolicyError('invalid-option', `DeviceList: ${why}`)
    }
    this.#filter = new BloomFilter([...exact], falsePositiveRate)
    this.#exact = null
  }

  /** Whether a device is in the list. */
  has(deviceId: string): boolean | Promise<boolean> {
    if (this.#exact !== null) return this.#exact.has(deviceId)
    if (this.#filter?.mayHave(deviceId) !== true) return false
    return this.#options.confirm?.(deviceId) ?? false
  }
}

function readListOptions(options: DeviceListOptions): DeviceListSettings {
  assertKnown('DeviceList', options, ['maxExact', 'falsePositiveRate', 'confirm'])
  const { maxExact, falsePositiveRate, confirm = null } = options
  return {
    maxExact: asInteger('DeviceList.maxExact', maxExact, 100_000, 0),
    falsePositiveRate: readOption(
      'DeviceList.falsePositiveRate',
      falsePositiveRate,
      0.001,
      isShare,
      'must be in (0, 1)',
    ),
    confirm: readOption('DeviceList.confirm', confirm, null, isConfirm, 'must be a function'),
  }
}

function isShare(value: unknown): boolean {
  return typeof value === 'number' && value > 0 && value < 1
}

function isConfirm(value: unknown): boolean {
  return value === null || typeof value === 'function'
}
