import type { X509Source } from 'fastify-spiffe'
import { call } from './callers.ts'
import { check, checkStatus } from './check.ts'
import type { Service } from './services.ts'
import { chapter, good, info, strong } from './terminal.ts'

/** Who a service is, and until when. */
export function showIdentity(name: string, { svid }: X509Source): void {
  check(svid !== null, `${name} has no SVID`)
  if (svid === null) return
  const seconds = ((svid.notAfter - Date.now()) / 1000).toFixed(0)
  info(
    `${name} is ${strong(svid.spiffeId)} until ${new Date(svid.notAfter).toISOString()} (${seconds} s)`,
  )
}

/** An expensive decision is made once for a tenant, remembered, and made again after it was forgotten. */
export async function showDecisionCache(
  caller: X509Source,
  service: Service,
  tenant: string,
): Promise<void> {
  chapter('An expensive decision is remembered per tenant')
  const before = service.quotaChecks()
  const checksAfterCall = async (): Promise<number> => {
    checkStatus(await call(caller, service, '/quota'), 200)
    return service.quotaChecks() - before
  }
  check((await checksAfterCall()) === 1, 'the first call was not decided')
  good(`first call:  GET /quota  ${strong(200)}  decided`)
  check((await checksAfterCall()) === 1, 'the second call was decided again')
  good(`second call: GET /quota  ${strong(200)}  from the cache`)
  service.forget(tenant)
  check((await checksAfterCall()) === 2, 'the decision was not forgotten')
  good(`after authz.invalidate(${tenant}): GET /quota  ${strong(200)}  decided again`)
}
