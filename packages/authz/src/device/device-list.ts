import { AuthzError } from '../errors.ts'
import { BloomFilter } from './bloom-filter.ts'

/** Says for sure whether a device is in the list. A rejection refuses the request. */
export type ConfirmDevice = (deviceId: string) => Promise<boolean>

export interface DeviceListOptions {
  /** Devices that are kept as they are; a longer list becomes a filter. Default 100 000, about 10 MB. */
  readonly maxExact?: number
  /** The share of strangers that a filter takes for members at first sight. Default 0.001. */
  readonly falseShare?: number
  /** Asked about each device that a filter takes for a member: the filter alone never says yes. Needed for long lists. */
  readonly confirm?: ConfirmDevice
}

/** A list of devices, kept exactly while it is short, and as a filter that is confirmed elsewhere when it is long. */
export class DeviceList {
  readonly #options: DeviceListOptions
  #exact: ReadonlySet<string> | null = null
  #filter: BloomFilter | null = null

  /** @throws {AuthzError} `invalid-option` when the list is long and nobody confirms */
  constructor(devices: Iterable<string>, options: DeviceListOptions = {}) {
    this.#options = options
    this.replace(devices)
  }

  /**
   * Puts another list in place of this one, at once.
   *
   * @throws {AuthzError} `invalid-option` when it is long and nobody confirms; the former one stays
   */
  replace(devices: Iterable<string>): void {
    const { maxExact = 100_000, falseShare = 0.001, confirm } = this.#options
    const exact = new Set(devices)
    if (exact.size <= maxExact) {
      this.#exact = exact
      this.#filter = null
      return
    }
    if (confirm === undefined) {
      const why = `${exact.size} devices are more than maxExact: confirm is needed`
      throw new AuthzError('invalid-option', `DeviceList: ${why}`)
    }
    this.#filter = new BloomFilter([...exact], falseShare)
    this.#exact = null
  }

  /** Whether a device is in the list. */
  has(deviceId: string): boolean | Promise<boolean> {
    if (this.#exact !== null) return this.#exact.has(deviceId)
    if (this.#filter?.mayHave(deviceId) !== true) return false
    return this.#options.confirm?.(deviceId) ?? false
  }
}
