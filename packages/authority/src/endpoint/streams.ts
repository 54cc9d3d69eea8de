import type { BundleSet, JwtBundle, WaitOptions } from '@fastify-spiffe/spiffe'
import { Updates } from '@fastify-spiffe/spiffe/internal'
import type { ServerWritableStream } from '@grpc/grpc-js'
import { methodsOf } from './faults.ts'
import type { StreamMethod, WorkloadApiMessage, WorkloadApiMethod } from './service.ts'
import type { CallStatus } from './status.ts'

/** A call whose responses are a stream. */
export type ServerStream = ServerWritableStream<object, WorkloadApiMessage>

/** A stream that is open. */
export interface OpenStream {
  readonly method: StreamMethod
  readonly call: ServerStream
  /** The X.509 bundles that were sent last. */
  bundles?: BundleSet
  /** The JWT bundles that were sent last. */
  jwtBundles?: BundleSet<JwtBundle>
  /** Whether a state waits for the client to read what was sent before. */
  waiting?: boolean
}

/** The open streams of an endpoint. */
export class Streams {
  readonly #open = new Set<OpenStream>()
  readonly #updates = new Updates()

  add(method: StreamMethod, call: ServerStream): OpenStream {
    const stream: OpenStream = { method, call }
    this.#open.add(stream)
    const forget = (): void => {
      if (this.#open.delete(stream)) this.#updates.notify()
    }
    for (const event of ['cancelled', 'finish', 'close', 'error']) call.once(event, forget)
    this.#updates.notify()
    return stream
  }

  of(method: WorkloadApiMethod | undefined): readonly OpenStream[] {
    return [...this.#open].filter((stream) => methodsOf(method).includes(stream.method))
  }

  /** Ends streams: well, or with a status. */
  end(method: WorkloadApiMethod | undefined, status?: CallStatus): void {
    for (const { call } of this.of(method)) {
      if (status === undefined) call.end()
      else endWith(call, status)
    }
  }

  /** Resolves as soon as the streams of `method` are some, or none. */
  async waitFor(
    wanted: 'some' | 'none',
    method: WorkloadApiMethod | undefined,
    wait: WaitOptions,
  ): Promise<void> {
    while ((this.of(method).length > 0 ? 'some' : 'none') !== wanted) {
      await this.#updates.nextUpdate(wait)
    }
  }

  close(): void {
    this.#updates.close()
  }
}

/** Ends a call with a status. */
export function endWith(call: ServerStream, status: CallStatus): void {
  call.emit('error', status)
}
