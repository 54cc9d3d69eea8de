import { generateKeyPairSync, sign } from 'node:crypto'
import { WorkloadApiError } from '@fastify-spiffe/workload-api'
import * as fc from 'fast-check'
import { mutatedOrRandom } from '../support/bytes.ts'
import {
  internal,
  type DecodeJwtModule,
  type DefinitionModule,
  type JwtBundlesModule,
  type JwtSvidsModule,
  type JwtValidationModule,
} from '../support/internals.ts'
import { codeOf, outcomeOf } from '../support/own-error.ts'
import { PROTOBUF } from '../support/protobuf.ts'
import { check, type Target } from '../support/target.ts'

const METHODS = ['FetchJWTSVID', 'FetchJWTBundles', 'ValidateJWTSVID'] as const

interface JwtMessageInput {
  readonly method: (typeof METHODS)[number]
  readonly bytes: Uint8Array
}

const NOW = Date.UTC(2026, 0, 1)
const WEB = 'spiffe://example.org/web'
const { privateKey, publicKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })

function tokenOf(sub: string, claims: object = {}): string {
  const parts = [
    { alg: 'ES256', kid: '1' },
    { sub, aud: ['orders', 'ledger'], exp: NOW / 1000 + 60, iat: NOW / 1000, ...claims },
  ]
  const input = parts
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

const entryOf = (spiffeId: string, hint = '', claims: object = {}): object => ({
  spiffeId,
  svid: tokenOf(spiffeId, claims),
  hint,
})

function jwks(...kids: readonly string[]): Buffer {
  const keys = kids.map((kid) => Object.assign(publicKey.export({ format: 'jwk' }), { kid }))
  return Buffer.from(JSON.stringify({ keys }))
}

const stringOf = (stringValue: string): object => ({ stringValue })

const CLAIMS = {
  sub: stringOf(WEB),
  exp: { numberValue: 5 },
  aud: { listValue: { values: [stringOf('orders'), { boolValue: true }] } },
  more: { structValue: { fields: { none: { nullValue: 0 } } } },
}

/** What an agent answers, by method. */
const ANSWERS: Readonly<Record<JwtMessageInput['method'], readonly object[]>> = {
  FetchJWTSVID: [
    { svids: [entryOf(WEB)] },
    { svids: [entryOf(WEB, 'internal'), entryOf('spiffe://example.org/api', 'internal')] },
    { svids: [entryOf(WEB), entryOf(WEB, 'x', { exp: 1 }), entryOf(WEB, '', { aud: 'x' })] },
  ],
  FetchJWTBundles: [
    { bundles: { 'spiffe://example.org': jwks('1', '2') } },
    { bundles: { 'spiffe://example.org': jwks(), 'spiffe://other.org': jwks('1') } },
  ],
  ValidateJWTSVID: [{ spiffeId: WEB, claims: { fields: CLAIMS } }],
}

/** Answers about JWT-SVIDs through decoding and reading, as they are after gRPC has taken its frames away. */
export async function openJwtMessages(): Promise<Target<JwtMessageInput>> {
  const folder = 'workload-api/dist/messages'
  const { workloadApiMethod } = await internal<DefinitionModule>(
    'workload-api/dist/channel/definition.js',
  )
  const decode = await internal<DecodeJwtModule>(`${folder}/decode-jwt.js`)
  const { parseJwtSvids } = await internal<JwtSvidsModule>(`${folder}/jwt-svids.js`)
  const { JwtBundleReader } = await internal<JwtBundlesModule>(`${folder}/jwt-bundles.js`)
  const { parseValidation } = await internal<JwtValidationModule>(`${folder}/jwt-validation.js`)
  const bundles = new JwtBundleReader()

  const readers = {
    FetchJWTSVID: (bytes: Buffer): void => {
      const { responseDeserialize } = workloadApiMethod('FetchJWTSVID')
      const raw = decode.decodeJwtSvidResponse(bytes, responseDeserialize)
      const request = { audience: ['orders'], spiffeId: undefined }
      const { value, problems } = parseJwtSvids(raw, request, () => NOW)
      for (const { error } of problems) codeOf(error, WorkloadApiError)
      check(value.length > 0, 'there is no SVID')
      for (const svid of value) {
        const of = raw.find(({ svid: token }) => token === svid.token)
        check(of?.spiffeId === svid.spiffeId.toString(), 'a token is of another identity')
        check(svid.audience.includes('orders'), 'a token is for others')
        check(svid.expiresAt > NOW, 'a token has expired')
        check(!JSON.stringify(svid).includes(svid.token), 'a token is in the JSON')
      }
      const hints = value.map(({ hint }) => hint).filter((hint) => hint !== '')
      check(new Set(hints).size === hints.length, 'two SVIDs have the same hint')
    },
    FetchJWTBundles: (bytes: Buffer): void => {
      const { responseDeserialize } = workloadApiMethod('FetchJWTBundles')
      const raw = decode.decodeJwtBundlesResponse(bytes, responseDeserialize)
      const { value, problems } = bundles.parse(raw)
      for (const { error } of problems) codeOf(error, WorkloadApiError)
      check(value.size > 0, 'a state has no bundle')
      check(value.size + problems.length === raw.size, 'a bundle is missing without a word')
      for (const { trustDomain, authorities } of value) {
        const text = raw.get(trustDomain.id.toString()) ?? raw.get(trustDomain.name)
        const { keys } = JSON.parse(String(text)) as { keys: readonly { kid?: unknown }[] }
        const kids = new Set(keys.map(({ kid }) => kid))
        check(
          authorities.every(({ keyId }) => kids.has(keyId)),
          'an authority is made up',
        )
      }
    },
    ValidateJWTSVID: (bytes: Buffer): void => {
      const { responseDeserialize } = workloadApiMethod('ValidateJWTSVID')
      const verdict = parseValidation(decode.decodeValidation(bytes, responseDeserialize))
      check(verdict.acceptedByAgent, 'an answer with claims is a refusal')
      const { sub } = verdict.claims
      check(sub === undefined || sub === verdict.spiffeId.toString(), 'sub is of another identity')
      check(Object.isFrozen(verdict.claims), 'the claims can be changed')
      JSON.stringify(verdict)
    },
  }
  const inputs = METHODS.map((method) => {
    const { responseSerialize } = workloadApiMethod(method)
    const good = ANSWERS[method].map((answer) => responseSerialize(answer))
    return fc.record({ method: fc.constant(method), bytes: mutatedOrRandom(good, PROTOBUF) })
  })
  return {
    inputs: fc.oneof(...inputs),
    read: ({ method, bytes }) =>
      outcomeOf(WorkloadApiError, () => readers[method](Buffer.from(bytes))),
    bytesOf: ({ bytes }) => bytes,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}
