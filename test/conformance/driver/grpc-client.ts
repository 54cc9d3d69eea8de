import tls from 'node:tls'
import { fileURLToPath } from 'node:url'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import {
  Client,
  credentials,
  Metadata,
  type ServiceDefinition,
  type StatusObject,
} from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

const proto = fileURLToPath(new URL('../../../conformance/shim/identity.proto', import.meta.url))

/** `harness.v1.Identity`. */
// oxlint-disable-next-line typescript/no-unsafe-type-assertion -- the file defines this service
const identity = loadSync(proto, { defaults: true })['harness.v1.Identity'] as ServiceDefinition

/** A call that runs: every call is one of two streams, whatever its kind. */
export interface RunningCall {
  /** The messages that have come so far. */
  readonly values: readonly string[]
  /** Resolves with the next message; `null`: it ended. */
  readonly next: () => Promise<string | null>
  readonly send: (...values: readonly string[]) => void
  readonly end: () => void
  /** The number of its status. */
  readonly status: Promise<number>
}

/** A client of gRPC that keeps one connection, presents any certificate, and verifies nobody. */
export class GrpcClient implements AsyncDisposable {
  readonly #client: Client

  /** @param material `null`: no certificate */
  constructor(port: number, material: MintedCertificate | null) {
    const secureContext = tls.createSecureContext(
      material === null ? {} : { cert: material.certificatesPem, key: material.privateKeyPem },
    )
    const trusting = credentials.createFromSecureContext(secureContext, {
      rejectUnauthorized: false,
      checkServerIdentity: () => undefined,
    })
    this.#client = new Client(`localhost:${port}`, trusting, {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
    })
  }

  begin(name: string, headers: Readonly<Record<string, string>> = {}): RunningCall {
    const method = identity[name]
    if (method === undefined) throw new TypeError(`there is no method ${name}`)
    const metadata = new Metadata()
    for (const [key, value] of Object.entries(headers)) metadata.add(key, value)
    const { path, requestSerialize, responseDeserialize } = method
    const call = this.#client.makeBidiStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      metadata,
    )
    const values: string[] = []
    let wake: (() => void) | undefined
    let isOver = false
    const status = new Promise<number>((resolve) => {
      call.on('status', ({ code }: StatusObject) => {
        isOver = true
        wake?.()
        resolve(code)
      })
    })
    call.on('error', () => undefined)
    call.on('data', ({ value }: { readonly value: string }) => {
      values.push(value)
      wake?.()
    })
    let seen = 0
    const next = async (): Promise<string | null> => {
      const index = seen++
      // One that is awaited at a time: what wakes it is its message, or the end.
      if (index === values.length && !isOver) {
        await new Promise<void>((resolve) => {
          wake = resolve
        })
      }
      return values[index] ?? null
    }
    const send = (...sent: readonly string[]): void => {
      for (const value of sent) call.write({ value })
    }
    return { values, next, send, end: () => call.end(), status }
  }

  /** A whole call: its status and messages. */
  async call(
    name: string,
    messages: readonly string[] = [''],
    headers: Readonly<Record<string, string>> = {},
  ): Promise<{ readonly status: number; readonly values: readonly string[] }> {
    const call = this.begin(name, headers)
    call.send(...messages)
    call.end()
    return { status: await call.status, values: call.values }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#client.close()
  }
}
