import { once } from 'node:events'
import type { Socket } from 'node:net'
import { setImmediate as turn, setTimeout as wait } from 'node:timers/promises'

/** One direction of a {@link Relay}. What is set holds for all connections, those that are open too. */
export class Flow {
  readonly #targets = new Set<Socket>()
  #delayMs = 0
  #pieceBytes = Infinity
  #bytesToCut = Infinity
  #resumed: Promise<void> | undefined
  #resume: () => void = () => {}

  /** Holds every piece back for so long. */
  delay(ms: number): void {
    this.#delayMs = ms
  }

  /** Lets so many bytes through at a time, one piece in each tick. */
  drip(bytes: number, tickMs = 0): void {
    this.#pieceBytes = bytes
    this.#delayMs = tickMs
  }

  /** Lets nothing through. Connections stay open; what is sent waits. */
  pause(): void {
    this.#resumed ??= new Promise((resolve) => {
      this.#resume = resolve
    })
  }

  resume(): void {
    this.#resume()
    this.#resumed = undefined
  }

  /** Lets so many bytes more through, all connections together, then cuts the one that they ran on. */
  cutAfter(bytes: number): void {
    this.#bytesToCut = bytes
  }

  /** Says to the receivers what the sender never said. */
  inject(bytes: Uint8Array): void {
    for (const target of this.#targets) target.write(bytes)
  }

  /** Ends this direction of all connections; the other one stays open. */
  end(): void {
    for (const target of this.#targets) target.end()
  }

  /** From now on everything passes as it comes. */
  clear(): void {
    this.#delayMs = 0
    this.#pieceBytes = Infinity
    this.#bytesToCut = Infinity
    this.resume()
  }

  /** Carries what `from` sends to `to`, until one of them is gone. */
  async carry(from: Socket, to: Socket): Promise<void> {
    this.#targets.add(to)
    to.once('close', () => this.#targets.delete(to))
    try {
      // The end of what it sends must not end what it receives.
      const chunks: AsyncIterable<Buffer> = from.iterator({ destroyOnReturn: false })
      for await (const chunk of chunks) await this.#pass(chunk, to)
      await this.#resumed
      to.end()
    } catch {
      to.destroy()
    }
  }

  async #pass(chunk: Buffer, to: Socket): Promise<void> {
    for (let rest = chunk; rest.length > 0;) {
      await this.#turn()
      // What was said after this direction had ended is lost.
      if (!to.writable) return
      const piece = rest.subarray(0, Math.min(this.#pieceBytes, this.#bytesToCut))
      rest = rest.subarray(piece.length)
      this.#bytesToCut -= piece.length
      const flushed = to.write(piece)
      if (this.#bytesToCut === 0) return this.#cut(to)
      if (!flushed) await once(to, 'drain')
    }
  }

  async #turn(): Promise<void> {
    if (this.#delayMs > 0) await wait(this.#delayMs)
    else if (this.#pieceBytes < Infinity) await turn()
    while (this.#resumed !== undefined) await this.#resumed
  }

  async #cut(to: Socket): Promise<void> {
    this.#bytesToCut = Infinity
    // What was let through arrives before the end does.
    await new Promise((resolve) => to.write('', resolve))
    to.destroy()
  }
}
