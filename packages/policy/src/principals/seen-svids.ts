import type { SpiffeId } from '@fastify-spiffe/spiffe'
import { LRUCache } from 'lru-cache'
import type { Caller } from '../call.ts'
import { TenantCache } from './tenant-cache.ts'
import { type TenantResolver, tenantKey } from './tenant.ts'

/** An X.509-SVID that was let in. */
export interface SeenSvid {
  readonly spiffeId: SpiffeId
  /** Lower-case hexadecimal, without leading zeros. */
  readonly serialNumber: string
  /** SHA-256 of the certificate, as `node:crypto` writes it. */
  readonly fingerprint256: string
  /** Milliseconds since the epoch. */
  readonly notAfter: number
}

const MAX_SVIDS_PER_TENANT = 1024

/**
 * The SVIDs that were let in, by tenant. Looking up another tenant's SVID returns `null`, exactly like one never seen, so
 * the index does not reveal that it exists. A tenant evicts SVIDs of its own only.
 */
export class SeenSvids {
  readonly #tenants: TenantCache<LRUCache<string, SeenSvid>>
  readonly #known = new WeakSet<Caller>()
  readonly #tenantOf: TenantResolver | null

  /**
   * @param maxTenants - of each trust domain
   * @param tenantOf - `null`: no caller has a tenant, and nothing is noted
   */
  constructor(maxTenants: number, tenantOf: TenantResolver | null) {
    this.#tenantOf = tenantOf
    this.#tenants = new TenantCache({ maxTenants })
  }

  /** Takes note of a caller; called for every request, and quick after the first. */
  note(caller: Caller): void {
    const { spiffeId, serialNumber, fingerprint256, notAfter } = caller
    // A token is no X.509-SVID: for its tenant no other is forgotten.
    if (serialNumber === null || fingerprint256 === null) return
    if (this.#tenantOf === null || this.#known.has(caller)) return
    this.#known.add(caller)
    const tenant = this.#tenantOf(spiffeId)
    if (tenant === null) return
    const svid = Object.freeze<SeenSvid>({ spiffeId, serialNumber, fingerprint256, notAfter })
    this.#file(tenantKey(tenant.trustDomain, tenant.name), svid)
  }

  #file(tenant: string, svid: SeenSvid): void {
    let svids = this.#tenants.get(tenant)
    if (svids === undefined) {
      svids = new LRUCache({ maxSize: MAX_SVIDS_PER_TENANT * 2, sizeCalculation: () => 1 })
      this.#tenants.set(tenant, svids)
    }
    svids.set(svid.serialNumber, svid)
    svids.set(svid.fingerprint256, svid)
  }

  /** By serial number or fingerprint. */
  find(tenant: string, key: string): SeenSvid | null {
    return this.#tenants.get(tenant)?.get(key) ?? null
  }
}
