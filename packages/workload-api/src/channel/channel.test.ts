import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

import { Client, Metadata, Server, ServerCredentials, credentials, status } from '@grpc/grpc-js'
import type { sendUnaryData } from '@grpc/grpc-js'
import { expect, test } from '@jest/globals'

import { addSecurityHeader } from './security-header.ts'
import { fromStatus } from './status.ts'

test('rule 55: a unary call carries the security header once, whatever was there before', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'channel-'))
  const target = `unix://${directory}/api.sock`
  const method = {
    path: '/Test/Echo',
    requestStream: false as const,
    responseStream: false as const,
    requestSerialize: (bytes: Buffer) => bytes,
    requestDeserialize: (bytes: Buffer) => bytes,
    responseSerialize: (bytes: Buffer) => bytes,
    responseDeserialize: (bytes: Buffer) => bytes,
  }
  const server = new Server()
  server.addService(
    { Echo: method },
    {
      Echo: (call: { metadata: Metadata }, reply: sendUnaryData<Buffer>) =>
        reply(null, Buffer.from(JSON.stringify(call.metadata.get('workload.spiffe.io')))),
    },
  )
  await new Promise<void>((resolve, reject) => {
    server.bindAsync(target, ServerCredentials.createInsecure(), (error) =>
      error === null ? resolve() : reject(error),
    )
  })
  const client = new Client(target, credentials.createInsecure(), {
    interceptors: [addSecurityHeader],
  })
  try {
    const metadata = new Metadata()
    metadata.add('workload.spiffe.io', 'false')
    metadata.add('workload.spiffe.io', 'true')
    const echoed = await new Promise<Buffer | undefined>((resolve, reject) => {
      const { path, requestSerialize, responseDeserialize } = method
      client.makeUnaryRequest(
        path,
        requestSerialize,
        responseDeserialize,
        Buffer.from('a'),
        metadata,
        (error, value) => (error === null ? resolve(value) : reject(error)),
      )
    })
    expect(JSON.parse(String(echoed))).toEqual(['true'])
  } finally {
    client.close()
    server.forceShutdown()
    await rm(directory, { recursive: true, force: true })
  }
})

const failed = (code: number, connected = true) =>
  fromStatus({
    endpoint: 'unix:///agent.sock',
    error: Object.assign(new Error('message'), { code, details: 'details' }),
    connected,
  })

test.each([
  [status.INVALID_ARGUMENT, 'invalid-request'],
  [status.PERMISSION_DENIED, 'no-identity'],
  [status.UNIMPLEMENTED, 'unimplemented'],
  [status.RESOURCE_EXHAUSTED, 'limit-exceeded'],
  [status.UNAVAILABLE, 'unavailable'],
  [status.INTERNAL, 'unavailable'],
  [status.CANCELLED, 'unavailable'],
  [99, 'unavailable'],
])('status %d means %s', (code, expected) => {
  expect(failed(code)).toMatchObject({ code: expected, cause: { code } })
})

test.each([
  [new TypeError('Reader.create is not a function')],
  [Object.assign(new Error('no such file'), { code: 'ENOENT', errno: -2 })],
  [Object.assign(new Error('a code of its own'), { code: 14 })],
  ['a string'],
  [null],
])('what is no status of gRPC is no answer of an endpoint: %p', (error) => {
  for (const connected of [true, false]) {
    const failure = fromStatus({ endpoint: 'unix:///agent.sock', error, connected })
    expect(failure).toMatchObject({ code: 'internal', cause: error })
  }
})

test('without a connection there was nobody to be unavailable', () => {
  expect(failed(status.UNAVAILABLE, false).code).toBe('unreachable')
  expect(failed(status.PERMISSION_DENIED, false).code).toBe('no-identity')
})

test('an error names the endpoint, and quotes no more than a little of what it said', () => {
  const { message } = fromStatus({
    endpoint: 'unix:///agent.sock',
    error: Object.assign(new Error('message'), { code: 13, details: 'x'.repeat(10_000) }),
    connected: true,
  })
  expect(message).toContain('unix:///agent.sock')
  expect(message.length).toBeLessThan(500)
})
