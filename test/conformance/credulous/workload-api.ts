import { createRequire } from 'node:module'
import { credentials, Metadata, makeClientConstructor } from '@grpc/grpc-js'
import type { Client, ClientReadableStream, ServiceDefinition } from '@grpc/grpc-js'
import { loadSync } from '@grpc/proto-loader'

/** An SVID as the Workload API sends it. */
export interface Svid {
  readonly x509Svid: Buffer
  readonly x509SvidKey: Buffer
  readonly hint: string
}

type Fetch = (request: object, metadata: Metadata) => ClientReadableStream<{ svids: Svid[] }>

type FetchTokens = (
  request: object,
  metadata: Metadata,
  answered: (
    error: unknown,
    answer?: { svids: readonly { spiffeId: string; svid: string }[] },
  ) => void,
) => void

/** Makes something of every address: what looks like a path or a port is one. */
const targetOf = (address: string): string => {
  const port = /:(\d+)/.exec(address)?.[1]
  if (port !== undefined) return `127.0.0.1:${port}`
  const path = address.replace(/^unix:(?:\/\/[^/]*)?/, '').replace(/[?#].*/, '')
  return `unix:${path}`
}

function metadata(): Metadata {
  const made = new Metadata()
  made.set('workload.spiffe.io', 'true')
  return made
}

function clientOf(address: string): Client & Record<string, unknown> {
  const file = createRequire(import.meta.url).resolve('@fastify-spiffe/spiffe/workload.proto')
  const service = loadSync(file, { defaults: true })['SpiffeWorkloadAPI'] as ServiceDefinition
  const Service = makeClientConstructor(service, 'SpiffeWorkloadAPI')
  return new Service(targetOf(address), credentials.createInsecure())
}

/** Hears whatever is said, and asks again at once when nothing is. */
export function watchSvids(address: string, listener: (svids: readonly Svid[]) => void): void {
  const client = clientOf(address)
  const fetch = (client['FetchX509SVID'] as Fetch).bind(client)
  const open = (): void => {
    const stream = fetch({}, metadata())
    stream.on('data', ({ svids }) => listener(svids))
    stream.on('error', () => setTimeout(open, 5))
  }
  open()
}

/** Asks for one audience and no identity, and believes what comes; what does not come is made up. */
export function fetchTokens(
  address: string,
  [audience = '']: readonly string[],
): Promise<object[]> {
  const client = clientOf(address)
  const call = (client['FetchJWTSVID'] as FetchTokens).bind(client)
  return new Promise((resolve) => {
    call({ audience: [audience] }, metadata(), (_error, answer) => {
      const svids = answer?.svids ?? [{ spiffeId: 'somebody', svid: 'a.b.c' }]
      resolve(svids.map(({ spiffeId, svid }) => ({ spiffe_id: spiffeId, token: svid, hint: '' })))
      client.close()
    })
  })
}
