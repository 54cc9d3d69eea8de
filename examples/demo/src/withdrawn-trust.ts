import { once } from 'node:events'
import type { Authority } from '@fastify-spiffe/authority'
import type { X509Source } from 'fastify-spiffe'
import { KeptAliveCaller, call } from './callers.ts'
import { checkStatus } from './check.ts'
import type { Service } from './services.ts'
import { chapter, good, info, refused, strong } from './terminal.ts'

/** When the authority of a caller leaves the bundle, its open connection is closed after the last response. */
export async function withdrawTrust(
  authority: Authority,
  caller: X509Source,
  service: Service,
): Promise<void> {
  chapter('A connection ends with the trust in its caller')
  await using connection = await KeptAliveCaller.open(caller, service)
  const begun = once(service.reports, 'begin')
  const report = connection.call('/report')
  await begun
  info('GET /report is running on a kept-alive connection')

  await authority.rotateAuthority()
  checkStatus(await connection.call('/orders'), 200)
  good(`the authority was rotated, the former one is still trusted: GET /orders  ${strong(200)}`)

  const goaway = connection.goaway()
  const former = authority.authorities.filter(({ state }) => state === 'old')
  for (const { id } of former) await authority.removeAuthority(id)
  await goaway
  refused(`the former authority was removed: the connection is ${strong('closed')} (GOAWAY)`)

  service.reports.emit('finish')
  const last = await report
  checkStatus(last, 200)
  good(`its last request is answered: GET /report  ${strong(200)}  "${last.body}"`)
  await connection.closed()
  checkStatus(await call(caller, service, '/orders'), 200)
  good(`a new connection, with the new SVID: GET /orders  ${strong(200)}`)
}
