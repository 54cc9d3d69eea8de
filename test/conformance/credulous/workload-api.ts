import { createRequire } from 'node:module'
import { credentials, Metadata, makeClientConstructor } from '@grpc/grpc-js'
import type { ClientReadableStream, ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** An SVID as the Workload API sends it. */
export interface Svid {
  readonly x509Svid: Buffer
  readonly x509SvidKey: Buffer
  readonly hint: string
}

type Fetch = (request: object, metadata: Metadata) => ClientReadableStream<{ svids: Svid[] }>

/** Makes something of every address: what looks like a path or a port is one. */
const targetOf = (address: string): string => {
  const port = /:(\d+)/.exec(address)?.[1]
  if (port !== undefined) return `127.0.0.1:${port}`
  const path = address.replace(/^unix:(?:\/\/[^/]*)?/, '').replace(/[?#].*/, '')
  return `unix:${path}`
}

/** Hears whatever is said, and asks again at once when nothing is. */
export function watchSvids(address: string, listener: (svids: readonly Svid[]) => void): void {
  const file = createRequire(import.meta.url).resolve('@fastify-spiffe/spiffe/workload.proto')
  const service = loadSync(file, { defaults: true })['SpiffeWorkloadAPI'] as ServiceDefinition
  const client = new (makeClientConstructor(service, 'SpiffeWorkloadAPI'))(
    targetOf(address),
    credentials.createInsecure(),
  )
  const fetch = (client['FetchX509SVID'] as Fetch).bind(client)
  const metadata = new Metadata()
  metadata.set('workload.spiffe.io', 'true')
  const open = (): void => {
    const stream = fetch({}, metadata)
    stream.on('data', ({ svids }) => listener(svids))
    stream.on('error', () => setTimeout(open, 5))
  }
  open()
}
