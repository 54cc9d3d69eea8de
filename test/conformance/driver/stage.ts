import { Agent, type AgentOptions } from './agent.ts'
import { Harness } from './harness.ts'
import { PeerServer } from './server.ts'
import { ScriptedAgent } from './scripted-agent.ts'
import type { MintedCertificate } from '@fastify-spiffe/authority'

/** All that one case has set up, and the order to take it down again. */
export class Stage implements AsyncDisposable {
  readonly #command: string
  readonly #resources: AsyncDisposable[] = []
  readonly #harnesses: Harness[] = []

  /** @param command the executable of the harness */
  constructor(command: string) {
    this.#command = command
  }

  get command(): string {
    return this.#command
  }

  agent(options?: AgentOptions): Promise<Agent> {
    return this.use(Agent.open(options))
  }

  scriptedAgent(): Promise<ScriptedAgent> {
    return this.use(ScriptedAgent.open())
  }

  server(material: MintedCertificate): Promise<PeerServer> {
    return this.use(PeerServer.listen(material))
  }

  /** Starts the harness, and does not wait. */
  launch(
    socketAddress: string,
    command: string = this.#command,
    environment: Readonly<Record<string, string>> = {},
  ): Harness {
    const harness = new Harness(command, socketAddress, environment)
    this.#resources.push(harness)
    this.#harnesses.push(harness)
    return harness
  }

  /** Starts the harness, and waits until it is ready. */
  async start({ address }: { readonly address: string }, withinMs?: number): Promise<Harness> {
    const harness = this.launch(address)
    await harness.ready(withinMs)
    return harness
  }

  /** Takes down with the case whatever is given. */
  async use<T extends AsyncDisposable>(opening: Promise<T>): Promise<T> {
    const resource = await opening
    this.#resources.push(resource)
    return resource
  }

  /** Starts the harness with some of its parts, and waits until it is ready. */
  async startParts(
    { address }: { readonly address: string },
    parts: string,
    environment: Readonly<Record<string, string>> = {},
  ): Promise<Harness> {
    const harness = this.launch(address, this.#command, {
      SPIFFE_HARNESS_PARTS: parts,
      ...environment,
    })
    await harness.ready()
    return harness
  }

  /** What the harnesses said on stderr. */
  get log(): string {
    return this.#harnesses.map(({ log }) => log).join('\n')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const resource of this.#resources.splice(0).toReversed()) {
      await resource[Symbol.asyncDispose]()
    }
  }
}
