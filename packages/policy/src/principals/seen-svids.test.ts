import { SpiffeId } from '@fastify-spiffe/spiffe'
import { expect, test } from '@jest/globals'
import type { Caller } from '../call.ts'
import { SeenSvids } from './seen-svids.ts'
import { compileTenantTemplate, tenantKey } from './tenant.ts'

const ACME = tenantKey('example.org', 'acme')
const GLOBEX = tenantKey('example.org', 'globex')

function certified(tenant: string): Caller {
  return {
    spiffeId: SpiffeId.parse(`spiffe://example.org/${tenant}/web`),
    serialNumber: '1f',
    fingerprint256: 'AA:BB',
    notAfter: 5000,
  }
}

/** With room for one tenant of each trust domain. */
function seen(...callers: readonly Caller[]): SeenSvids {
  const svids = new SeenSvids(1, compileTenantTemplate('/{tenant}/{workload}'))
  for (const caller of callers) svids.note(caller)
  return svids
}

test('an SVID is found by serial number and by fingerprint, within its tenant alone', () => {
  const caller = certified('acme')
  const svids = seen(caller)
  expect(svids.find(ACME, '1f')).toEqual(caller)
  expect(svids.find(ACME, 'AA:BB')).toEqual(caller)
  expect(svids.find(GLOBEX, '1f')).toBeNull()
})

test('a tenant makes room for the next, but not for one whose callers come with tokens', () => {
  const withToken = { ...certified('globex'), serialNumber: null, fingerprint256: null }
  expect(seen(certified('acme'), withToken).find(ACME, '1f')).not.toBeNull()
  expect(seen(certified('acme'), certified('globex')).find(ACME, '1f')).toBeNull()
})
