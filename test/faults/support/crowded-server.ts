import { monitorEventLoopDelay } from 'node:perf_hooks'
import { setTimeout } from 'node:timers/promises'
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { Authority, mintRootCa } from '@fastify-spiffe/authority'
import { BundleSet, X509Bundle, type Certificate } from '@fastify-spiffe/spiffe'
import type { ConnectionCounts } from '@fastify-spiffe/tls'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { offer } from './child.ts'
import { materialOf, type Material } from './material.ts'
import { ORDERS, Service, WEB } from './service.ts'

// A service that has thousands of connections, in a process of its own, so that its memory is its own.

setFlagsFromString('--expose-gc')
const collectGarbage = runInNewContext('gc') as () => void

const DAY_MS = 86_400_000
const authority = await Authority.create({ trustDomain: 'a.test' })
const callers = await mintRootCa('a.test')
const passing = await mintRootCa('a.test')
const own = authority.bundle.authorities

const bundles = (...more: readonly Certificate[]): BundleSet =>
  BundleSet.of(X509Bundle.of(authority.trustDomain, [...own, ...more]))

const svid = await authority.issueX509Svid(ORDERS)
const source = new ScriptedSource(svid, bundles(callers.certificate))
const service = await Service.start(source, { keepAliveMs: DAY_MS })
const delay = monitorEventLoopDelay({ resolution: 5 })

const skills = {
  port: (): number => service.port,

  /** As many different certificates of one caller. */
  async materials(count: number): Promise<Material[]> {
    const minted = await Promise.all(Array.from({ length: count }, () => callers.mint(WEB)))
    return minted.map(materialOf)
  },

  memory(): NodeJS.MemoryUsage {
    collectGarbage()
    return process.memoryUsage()
  },

  connections: (): ConnectionCounts => service.identity.connections,

  /** A bundle with one authority more: everybody is judged anew, and nobody has to go. */
  rotateBundle(): void {
    watchDelay()
    source.set(svid, bundles(callers.certificate, passing.certificate))
  },

  /** A bundle without the authority of the callers: all have to go. */
  removeAuthority(): void {
    watchDelay()
    source.set(svid, bundles(passing.certificate))
  },

  /** Resolves when the last connection is gone. */
  async emptied(): Promise<void> {
    while (service.identity.connections.open > 0) await setTimeout(50)
  },

  /** The longest time in milliseconds that nothing else got its turn, since the bundle changed. */
  longestDelayMs: (): number => delay.max / 1e6,
}

function watchDelay(): void {
  delay.reset()
  delay.enable()
}

export type CrowdedServer = typeof skills

offer(skills)
