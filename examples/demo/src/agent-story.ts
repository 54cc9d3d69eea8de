import { type SpiffeId, X509Source } from 'fastify-spiffe'
import { call } from './callers.ts'
import { showDecisionCache, showIdentity } from './chapters.ts'
import { check, checkStatus } from './check.ts'
import { Load, presentedSerial } from './load.ts'
import { startService } from './services.ts'
import { Stage } from './stage.ts'
import { chapter, good, info, refused, strong } from './terminal.ts'

/** How long the demo waits for the agent to rotate. SVIDs of an hour rotate later than that. */
const ROTATION_WAIT_MS = 15_000

/** The story on a real agent, as far as one workload can tell it: a service that calls itself. */
export async function tellAgentStory(address: string): Promise<void> {
  await using stage = new Stage()
  const source = stage.use(await X509Source.open({ address }))
  const self = source.svid?.spiffeId
  check(self !== undefined, 'the agent gave no identity')
  if (self === undefined) return

  chapter('Identity: the SVID that the agent issues')
  showIdentity('this workload', source)
  info(`bundles of ${[...source.bundles].map((bundle) => bundle.trustDomain.name).join(', ')}`)

  chapter('Routes say who may call them')
  const open = await startService({ source, readers: [self.toString()] })
  stage.defer(open.close)
  const shut = await startService({ source, readers: [sibling(self)] })
  stage.defer(shut.close)
  const allowed = await call(source, open, '/orders')
  checkStatus(allowed, 200)
  good(`GET /orders  ${strong(200)}  "${allowed.body}"`)
  const forbidden = await call(source, shut, '/orders')
  checkStatus(forbidden, 403)
  refused(
    `GET /orders of a service that names ${sibling(self)}  ${strong(403)}  "${forbidden.body}"`,
  )

  chapter('Rotation under load')
  const before = await presentedSerial(source, open)
  const load = new Load(source, open, '/orders')
  const rotated = await rotation(source)
  const report = await load.stop()
  check(report.failed === 0, `${report.failed} requests failed`)
  good(`${report.keptAlive + report.fresh} requests, ${strong(`${report.failed} failed`)}`)
  if (rotated) good(`serial ${before} became ${strong(await presentedSerial(source, open))}`)
  else info(`no rotation within ${ROTATION_WAIT_MS / 1000} s: the SVID is not near half its life`)

  await showDecisionCache(source, open, self.segments[0] ?? '')
  info(
    'federation and a rotated authority need the embedded authority: run the demo without an agent',
  )
}

/** A SPIFFE ID beside ours that no workload here has. */
function sibling(self: SpiffeId): string {
  return `${self.toString()}-sibling`
}

async function rotation(source: X509Source): Promise<boolean> {
  const serial = source.svid?.leaf.serialNumber
  try {
    const signal = AbortSignal.timeout(ROTATION_WAIT_MS)
    while (source.svid?.leaf.serialNumber === serial) await source.nextUpdate({ signal })
    return true
  } catch {
    return false
  }
}
