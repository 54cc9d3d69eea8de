import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority, type WorkloadEndpoint } from '@fastify-spiffe/authority'
import { BundleSet } from '@fastify-spiffe/spiffe'
import { X509Source } from '@fastify-spiffe/workload-api'
import type { CallerOptions } from '../../spire/support/caller.ts'
import { Relay } from '@fastify-spiffe-test/kit/relay'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { ORDERS, Service, WEB } from './service.ts'

const HOUR_MS = 3_600_000

type Parts = Pick<
  Scene,
  'directory' | 'authority' | 'agent' | 'relay' | 'source' | 'service' | 'caller'
>

/** A service whose agent is behind a relay, and its caller, whose own SVID outlasts the test. */
export class Scene implements AsyncDisposable {
  readonly directory: string
  readonly authority: Authority
  readonly agent: WorkloadEndpoint
  /** Between the service and the agent. */
  readonly relay: Relay
  readonly source: X509Source
  readonly service: Service
  readonly caller: ScriptedSource

  private constructor(parts: Parts) {
    this.directory = parts.directory
    this.authority = parts.authority
    this.agent = parts.agent
    this.relay = parts.relay
    this.source = parts.source
    this.service = parts.service
    this.caller = parts.caller
  }

  /** @param svidTtlMs how long an SVID of the service lives; it is renewed at half of that */
  static async start(svidTtlMs: number = HOUR_MS): Promise<Scene> {
    const directory = await mkdtemp(join(tmpdir(), 'faults-'))
    const authority = await Authority.create({ trustDomain: 'a.test', svidTtlMs })
    const path = join(directory, 'agent.sock')
    const agent = await authority.serve({ spiffeId: ORDERS, socketPath: path })
    const relay = await Relay.open({ at: { path: join(directory, 'api.sock') }, to: { path } })
    // The longest waits that the jitter allows, so that no recovery is a lucky one.
    const source = await X509Source.open({ address: relay.address, random: () => 1 })
    const service = await Service.start(source)
    const svid = await authority.issueX509Svid(WEB, { notAfter: Date.now() + HOUR_MS })
    const caller = new ScriptedSource(svid, BundleSet.of(authority.bundle))
    return new Scene({ directory, authority, agent, relay, source, service, caller })
  }

  /** The service, for the caller. */
  get endpoint(): CallerOptions {
    return { source: this.caller, server: ORDERS, port: this.service.port }
  }

  /** The serial number of the SVID that the source holds. */
  get serialNumber(): string | undefined {
    return this.source.svid?.leaf.serialNumber
  }

  /** Resolves at the moment at which `condition` holds, which is asked at each update of the source. */
  async until(condition: () => boolean): Promise<number> {
    const signal = AbortSignal.timeout(20_000)
    while (!condition()) await this.source.nextUpdate({ signal })
    return performance.now()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const { service, source, relay, agent, authority, caller } = this
    for (const part of [service, source, relay, agent, authority, caller]) {
      await part[Symbol.asyncDispose]()
    }
    await rm(this.directory, { recursive: true, force: true })
  }
}
