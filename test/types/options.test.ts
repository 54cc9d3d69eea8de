import { matchId, type RevocationPolicy, type X509MaterialSource } from '@fastify-spiffe/spiffe'
import {
  spiffeServer,
  type SpiffeHttp2Options,
  type SpiffeHttpsOptions,
} from '@fastify-spiffe/svid'
import type {
  ClientCertificateMode,
  ConnectOptions,
  MinVersion,
  OnPeerExpiry,
  SvidServerOptions,
  SvidTlsServerOptions,
} from '@fastify-spiffe/tls'
import { expect, test } from '@jest/globals'
import { holds, type Equals } from './equals.ts'

test('options that are one of a few words take no other', () => {
  holds<Equals<ClientCertificateMode, 'required' | 'optional'>>()
  holds<Equals<OnPeerExpiry, 'graceful' | 'immediate' | 'ignore'>>()
  holds<Equals<RevocationPolicy, 'off' | 'soft' | 'strict'>>()
  holds<Equals<MinVersion, 'TLSv1.2' | 'TLSv1.3'>>()
  // @ts-expect-error -- no mode
  const options: SvidServerOptions = { clientCertificate: 'requested' }
  expect(options).toBeDefined()
})

test('an option that is there is not undefined', () => {
  // @ts-expect-error -- absent and undefined are not the same
  const options: SvidServerOptions = { graceMs: undefined }
  expect(options).toBeDefined()
})

test('an option that does not exist, or that belongs to Node’s TLS, does not compile', () => {
  // @ts-expect-error -- the verifier stands in its place
  const server: SvidServerOptions = { rejectUnauthorized: false }
  // @ts-expect-error -- no HTTP here
  const plain: SvidTlsServerOptions = { http2: true }
  expect([server, plain]).toBeDefined()
})

test('a client has to name its server', () => {
  const source = {} as X509MaterialSource
  // @ts-expect-error -- there is no default server
  const anybody: ConnectOptions = { source, host: 'localhost', port: 1 }
  const somebody: ConnectOptions = {
    source,
    host: 'localhost',
    port: 1,
    server: matchId('spiffe://example.org/web'),
  }
  expect([anybody, somebody]).toBeDefined()
})

test('spiffeServer makes options of the protocol that is asked for', () => {
  const make = (source: X509MaterialSource): readonly unknown[] => {
    const http1 = spiffeServer(source)
    const http2 = spiffeServer(source, { http2: true })
    holds<Equals<typeof http1, SpiffeHttpsOptions>>()
    holds<Equals<typeof http2, SpiffeHttp2Options>>()
    // @ts-expect-error -- a promise of a source is not a source
    spiffeServer(Promise.resolve(source))
    return [http1, http2]
  }
  expect(make).toBeInstanceOf(Function)
})
