import { TenantCache } from '../principals/tenant-cache.ts'

/**
 * Lookups after which a cache is judged, and the number of questions for which it is bypassed if it
 * does not pay.
 */
const WINDOW = 1000
const BYPASSED_QUESTIONS = 10_000
/** A look-up and a store cost about a sixth of what a `cpu` engine does. */
const MIN_HIT_RATE = 0.15
/** Tenants of one trust domain that are watched at a time. */
const MAX_TENANTS = 1024

/** Told when the cache is bypassed for a tenant, by its key, with the share of its answers that came from there. */
export type OnBypass = (hitRate: number, tenant: string) => void

/** What one tenant brought lately. */
interface Window {
  readonly tenant: string
  lookups: number
  hits: number
  /** How many more questions are asked without the cache. */
  bypassed: number
}

/**
 * Watches whether caching the decisions of one step pays, for each tenant by itself: a tenant that
 * brings ever new questions does not affect the others. If too few answers come from the cache, it
 * is bypassed for a while, and tried again.
 */
export class AdaptiveBypass {
  readonly #onBypass: OnBypass
  readonly #windows = new TenantCache<Window>({ maxTenants: MAX_TENANTS })
  /** Requests of one tenant often come in a row. */
  #latest: Window | undefined

  constructor(onBypass: OnBypass) {
    this.#onBypass = onBypass
  }

  /** Whether to ask for a tenant without the cache this time. */
  isBypassed(tenant: string): boolean {
    const window = this.#windowOf(tenant)
    if (window.bypassed === 0) return false
    window.bypassed--
    return true
  }

  /** Takes note of what a look-up for a tenant brought. */
  note(tenant: string, isHit: boolean): void {
    const window = this.#windowOf(tenant)
    if (isHit) window.hits++
    if (++window.lookups < WINDOW) return
    const hitRate = window.hits / window.lookups
    window.lookups = 0
    window.hits = 0
    if (hitRate >= MIN_HIT_RATE) return
    window.bypassed = BYPASSED_QUESTIONS
    this.#onBypass(hitRate, tenant)
  }

  #windowOf(tenant: string): Window {
    if (this.#latest?.tenant === tenant) return this.#latest
    let window = this.#windows.get(tenant)
    if (window === undefined) {
      window = { tenant, lookups: 0, hits: 0, bypassed: 0 }
      this.#windows.set(tenant, window)
    }
    this.#latest = window
    return window
  }
}
