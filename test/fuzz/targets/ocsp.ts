import { sign } from 'node:crypto'
import { mintRootCa } from '@fastify-spiffe/authority'
import {
  asSigner,
  basicResponse,
  der,
  ECDSA_SHA256,
  framed,
  GOOD,
  revoked,
  single,
  UNKNOWN,
  type SignerOfTest,
} from '@fastify-spiffe-test/kit/ocsp-responses'
import { verifyOcspResponse, type OcspAnswer } from '@fastify-spiffe/ocsp'
import { Certificate } from '@fastify-spiffe/spiffe'
import { OCSPResponse, ResponseData, type CertStatus } from '@peculiar/asn1-ocsp'
import { AsnConvert } from '@peculiar/asn1-schema'
import * as fc from 'fast-check'
import { mutated, mutations, type Mutation } from '../support/bytes.ts'
import { DER } from '../support/der.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'

const NOW = Date.UTC(2026, 5, 1)
const HOUR = 3_600_000
const NONCE = Buffer.alloc(16, 7)
const clock = (): number => NOW

/** What is changed: the whole response, or what is signed, which is then signed anew. */
interface Case {
  readonly bytes: Uint8Array
  readonly isSignedAnew: boolean
}

interface Scene {
  readonly certificate: Certificate
  readonly issuer: Certificate
  readonly signer: SignerOfTest
  readonly responses: readonly Buffer[]
}

/** Responses about one certificate, and what is signed in them with octets changed. */
export async function openOcspResponses(): Promise<Target<Case>> {
  const scene = await makeScene()
  const { responses } = scene
  const datas = responses.map(responseDataOf)
  const subject = { certificate: scene.certificate, issuer: scene.issuer }
  return {
    inputs: fc
      .record({ mutation: mutations, isSignedAnew: fc.boolean() })
      .map(({ mutation, isSignedAnew }) =>
        isSignedAnew
          ? { isSignedAnew, bytes: signAnew(spoilt(datas, mutation), scene.signer) }
          : { isSignedAnew, bytes: spoilt(responses, mutation) },
      ),
    read: ({ bytes, isSignedAnew }) => {
      const verification = verifyOcspResponse(bytes, subject, { clock, nonce: NONCE })
      if (!verification.ok) return verification.code
      const { answer } = verification
      check(isWithinTimes(answer), 'an answer counts outside of its times')
      if (!isSignedAnew) {
        const isGenuine = datas.some((data) => Buffer.from(bytes).includes(data))
        check(isGenuine, 'an answer that nobody has signed counts')
      }
      check(isReadAlike(bytes, answer), 'another reader reads another answer')
      return `${ACCEPTED} ${answer.status}`
    },
    bytesOf: ({ bytes }) => bytes,
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

const spoilt = (bases: readonly Buffer[], mutation: Mutation): Buffer =>
  mutated(bases[mutation.base % bases.length]!, DER, mutation)

async function makeScene(): Promise<Scene> {
  const ca = await mintRootCa('example.org', {}, { clock })
  const template = { uris: [], dnsNames: ['localhost'] }
  const certificate = Certificate.fromDer((await ca.mint('', template)).chain[0]!)
  const delegate = asSigner(
    await ca.mint('', { ...template, extendedKeyUsage: ['1.3.6.1.5.5.7.3.9'] }),
  )
  const signer = asSigner(ca)
  const subject = { certificate, issuer: ca.certificate }
  const answer = (draft: object): Buffer => single({ ...subject, ...draft }, NOW)
  const draft = { signer, producedAt: NOW }
  const other = answer({ serial: Buffer.from([1]), status: UNKNOWN })
  const drafts = [
    { ...draft, singles: [answer({ status: GOOD })], nonce: NONCE },
    { ...draft, singles: [other, answer({ hash: 'sha256' })], responderId: 'key' as const },
    { ...draft, singles: [answer({ status: revoked(NOW - HOUR, 1) })] },
    {
      ...draft,
      signer: delegate,
      singles: [answer({ status: UNKNOWN })],
      certificates: [delegate.certificate.raw],
    },
  ]
  const responses = drafts.map((each) => framed(basicResponse(each)))
  return { ...subject, signer, responses }
}

/** What is signed in a response. */
function responseDataOf(response: Uint8Array): Buffer {
  const frame = AsnConvert.parse(response, OCSPResponse)
  const [basic] = DER.parse(Buffer.from(frame.responseBytes!.response.buffer)) ?? []
  const inside = basic?.content
  if (inside === undefined || inside instanceof Uint8Array) throw new Error('no basic response')
  return DER.write(inside.slice(0, 1))
}

function signAnew(data: Buffer, { privateKey }: SignerOfTest): Buffer {
  const signature = der(0x03, Buffer.from([0]), sign('sha256', data, privateKey))
  // More than the length of an element has room for is read as little as anything else.
  if (data.length > 60_000) return data
  return framed(der(0x30, data, ECDSA_SHA256, signature))
}

function isWithinTimes({ thisUpdate, nextUpdate }: OcspAnswer): boolean {
  return thisUpdate <= NOW + 60_000 && nextUpdate >= NOW - 60_000
}

/** Whether @peculiar/asn1-ocsp reads the same. */
function isReadAlike(bytes: Uint8Array, answer: OcspAnswer): boolean {
  const { responses } = AsnConvert.parse(responseDataOf(bytes), ResponseData)
  return responses.some(
    ({ certStatus, thisUpdate, nextUpdate }) =>
      statusOf(certStatus) === answer.status &&
      thisUpdate.getTime() === answer.thisUpdate &&
      nextUpdate?.getTime() === answer.nextUpdate,
  )
}

function statusOf({ good, revoked: info }: CertStatus): string {
  if (good === null) return 'good'
  return info === undefined ? 'unknown' : 'revoked'
}
