import { AuthorityError, type AuthorityErrorCode } from '@fastify-spiffe/authority'
import { PeerError, type PeerErrorCode } from '@fastify-spiffe/peer'
import { SpiffeError, type SpiffeErrorCode } from '@fastify-spiffe/spiffe'
import { SvidPluginError, type SvidPluginErrorCode } from '@fastify-spiffe/svid'
import { TlsError, type RejectionCode, type TlsErrorCode } from '@fastify-spiffe/tls'
import { WorkloadApiError, type WorkloadApiErrorCode } from '@fastify-spiffe/workload-api'
import { expect, test } from '@jest/globals'
import { holds, type Equals } from './equals.ts'

test('the code of each error is the closed union of its package', () => {
  holds<Equals<AuthorityError['code'], AuthorityErrorCode>>()
  holds<Equals<PeerError['code'], PeerErrorCode>>()
  holds<Equals<SpiffeError['code'], SpiffeErrorCode>>()
  holds<Equals<SvidPluginError['code'], SvidPluginErrorCode>>()
  holds<Equals<TlsError['code'], TlsErrorCode>>()
  holds<Equals<WorkloadApiError['code'], WorkloadApiErrorCode>>()
  holds<Equals<string extends TlsErrorCode ? true : false, false>>()
})

test('an error narrows by its class, and its code by comparison', () => {
  const error: unknown = new PeerError('unauthenticated', 'a message')
  if (!(error instanceof PeerError)) throw new Error('not narrowed')
  // @ts-expect-error -- a code that the package does not have
  const isOfAnother = error.code === 'no-endpoint'
  expect(isOfAnother).toBe(false)
  if (error.code !== 'unauthenticated') throw error
  holds<Equals<typeof error.code, 'unauthenticated'>>()
  holds<Equals<typeof error.statusCode, 401 | undefined>>()
})

test('errors of two packages are distinguished by their names', () => {
  const describe = (error: PeerError | TlsError): string =>
    error.name === 'TlsError' ? (error.rejection ?? 'none') : String(error.statusCode)
  expect(describe(new PeerError('unauthenticated', 'a message'))).toMatch(/401|undefined/)
  holds<Equals<NonNullable<TlsError['rejection']>, RejectionCode>>()
})

test('the code of an error can be read and not written', () => {
  const write = (error: SpiffeError): void => {
    // @ts-expect-error -- read-only
    error.code = 'invalid-spiffe-id'
  }
  expect(write).toBeInstanceOf(Function)
})
