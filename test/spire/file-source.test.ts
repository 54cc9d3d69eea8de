import { execFile } from 'node:child_process'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { FileSource } from '@fastify-spiffe/file-source'
import { verifyX509Svid } from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, expect, test } from '@jest/globals'
import { spireBinaries } from './binaries.ts'
import { SpireServer, Workload } from './fixture/index.ts'
import { nextRotation } from './support/rotations.ts'
import { report } from './support/report.ts'

const RENEWALS = 3
const run = promisify(execFile)

let server: SpireServer
let orders: Workload
let folder: string

beforeAll(async () => {
  server = await SpireServer.start({ trustDomain: 'a.test' })
  orders = await Workload.start({ server, path: '/acme/orders', x509SvidTtlMs: 10_000 })
  folder = await mkdtemp(join(tmpdir(), 'spire-agent-writes-'))
})

afterAll(async () => {
  for (const part of [orders, server]) await part?.[Symbol.asyncDispose]()
  await rm(folder, { recursive: true, force: true })
})

test('what spire-agent writes in a loop is followed, and every SVID that is served is whole', async () => {
  const { agent } = await spireBinaries()
  const socketPath = orders.address.replace('unix://', '')
  const ending = new AbortController()
  let writes = 0
  const writing = (async () => {
    while (!ending.signal.aborted) {
      // At first the agent knows of no identity.
      const written = run(agent, [
        'api',
        'fetch',
        'x509',
        '-socketPath',
        socketPath,
        '-write',
        folder,
      ])
      await written.then(
        () => (writes += 1),
        () => undefined,
      )
    }
  })()
  try {
    await using source = await FileSource.open({ directory: folder, layout: 'spire-agent' })
    const serials = new Set([source.svid?.leaf.serialNumber])
    const unverified: string[] = []
    source.onUpdate(() => {
      const { svid, bundles } = source
      // One that has expired is none, while the next one is being written.
      const verification = svid && verifyX509Svid(svid.certificates, bundles)
      if (verification?.ok === false) unverified.push(verification.code)
    })
    while (serials.size <= RENEWALS) serials.add(await nextRotation(source))
    expect(unverified).toEqual([])
    expect(source.svid?.spiffeId.toString()).toBe(orders.spiffeId)
    expect((await readdir(folder)).toSorted()).toEqual(['bundle.0.pem', 'svid.0.key', 'svid.0.pem'])
    report(`spire-agent wrote its files ${writes} times, with ${RENEWALS} renewals`)
  } finally {
    ending.abort()
    await writing
  }
})
