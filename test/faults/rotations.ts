import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { mintRootCa } from '@fastify-spiffe/authority'
import { X509Source } from '@fastify-spiffe/workload-api'
import { Http1Caller } from '../spire/support/http1-caller.ts'
import { Http2Caller } from '../spire/support/http2-caller.ts'
import { ScriptedAgent } from '@fastify-spiffe-test/kit/scripted-agent'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { svidFields, type SvidMessage } from '@fastify-spiffe-test/kit/workload-messages'
import { ORDERS, Service, WEB } from './support/service.ts'

// Rotates SVID and bundles of a service over and over, with connections old and new, and prints what it
// holds. `node test/dist/faults/rotations.js`, or fewer times with ROTATIONS=2000.

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const rotations = Number(process.env['ROTATIONS'] ?? 10_000)
const SAMPLES = 20
/** Issued beforehand and used in turn: it is the rotation that is measured, not the speed of an authority. */
const MESSAGES = 50

export interface Sample {
  readonly rotation: number
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  /** Handles and requests of libuv. */
  readonly resources: number
  /** Listeners of the server and of the process. */
  readonly listeners: number
}

const issuer = await mintRootCa('a.test')

async function message(): Promise<SvidMessage> {
  const passing = await mintRootCa('a.test')
  const foreign = await mintRootCa('b.test')
  const bundle = Buffer.concat([issuer.der, passing.der])
  return {
    svids: [await svidFields(issuer, ORDERS, { bundle })],
    federatedBundles: { 'spiffe://b.test': foreign.der },
  }
}

const messages: SvidMessage[] = []
for (let index = 0; index < MESSAGES; index++) messages.push(await message())

await using agent = await ScriptedAgent.listen()
const opening = X509Source.open({ address: agent.address })
const call = await agent.nextCall()
call.send(messages[0] ?? {})
await using source = await opening
await using service = await Service.start(source)
const svid = (await issuer.mint(WEB)).toX509Svid()
await using caller = new ScriptedSource(svid, source.bundles)
const endpoint = { source: caller, server: ORDERS, port: service.port }
await using kept = new Http2Caller(endpoint)
await using fresh = new Http1Caller({ ...endpoint, keepAlive: false })
await kept.get('/orders')

function sample(rotation: number): Sample {
  collectGarbage()
  collectGarbage()
  const { rss, heapUsed, external } = process.memoryUsage()
  const resources = process.getActiveResourcesInfo().length
  return {
    rotation,
    rss,
    heapUsed,
    external,
    resources,
    listeners: service.listeners + process.eventNames().length,
  }
}

for (let rotation = 1; rotation <= rotations; rotation++) {
  const before = source.svid
  call.send(messages[rotation % MESSAGES] ?? {})
  while (source.svid === before) await source.nextUpdate()
  if (rotation % 10 === 0) {
    for (const { status } of [await kept.get('/orders'), await fresh.get('/orders')]) {
      if (status !== 200) throw new Error(`status ${status} after rotation ${rotation}`)
    }
  }
  if (rotation % (rotations / SAMPLES) === 0) {
    process.stdout.write(`${JSON.stringify(sample(rotation))}\n`)
  }
}
if (service.identity.generation !== rotations + 1)
  throw new Error(`generation ${service.identity.generation}`)
if (kept.connections !== 1) throw new Error('the kept-alive connection was lost')
