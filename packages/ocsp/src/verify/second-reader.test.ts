import {
  BasicOCSPResponse,
  OCSPResponse,
  type ResponseData,
  type SingleResponse,
} from '@peculiar/asn1-ocsp'
import { AsnConvert } from '@peculiar/asn1-schema'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  der,
  extension,
  hex,
  ocspResponse,
  revoked,
  UNKNOWN,
} from '@fastify-spiffe-test/kit/ocsp-responses'
import { readBasicResponse, readResponse, type BasicResponse } from './response.ts'
import { Scene } from './scene.test.helper.ts'

let scene: Scene

beforeAll(async () => {
  scene = await Scene.make()
})

const hexOf = (bytes: ArrayBuffer | Uint8Array): string =>
  Buffer.from(bytes as ArrayBuffer).toString('hex')

/** What both readers have to agree on. */
interface Reading {
  readonly signed: string
  readonly signature: string
  readonly producedAt: number
  readonly singles: readonly unknown[]
}

function ours(response: Buffer): Reading {
  const basic: BasicResponse = readBasicResponse(readResponse(response).body!)
  return {
    signed: hexOf(basic.signed),
    signature: hexOf(basic.signature),
    producedAt: basic.producedAt,
    singles: basic.responses.map(({ certId, certificateStatus, thisUpdate, nextUpdate }) => ({
      hashAlgorithm: certId.hashAlgorithm,
      nameHash: hexOf(certId.issuerNameHash),
      keyHash: hexOf(certId.issuerKeyHash),
      serialNumber: certId.serialNumber,
      status: certificateStatus.status,
      thisUpdate,
      nextUpdate,
    })),
  }
}

function theirs(response: Buffer): Reading {
  const frame = AsnConvert.parse(response, OCSPResponse)
  const basic = AsnConvert.parse(frame.responseBytes!.response, BasicOCSPResponse)
  const raw: unknown = Reflect.get(basic, 'tbsResponseDataRaw')
  const { producedAt, responses }: ResponseData = basic.tbsResponseData
  return {
    signed: hexOf(raw as Uint8Array),
    signature: hexOf(basic.signature),
    producedAt: producedAt.getTime(),
    singles: responses.map(theirSingle),
  }
}

function theirSingle({ certID, certStatus, thisUpdate, nextUpdate }: SingleResponse): unknown {
  const { good, revoked: info } = certStatus
  return {
    hashAlgorithm: certID.hashAlgorithm.algorithm,
    nameHash: hexOf(certID.issuerNameHash.buffer),
    keyHash: hexOf(certID.issuerKeyHash.buffer),
    serialNumber: hexOf(certID.serialNumber).replace(/^00(?=[89a-f])/, ''),
    status: good === null ? 'good' : info === undefined ? 'unknown' : 'revoked',
    thisUpdate: thisUpdate.getTime(),
    nextUpdate: nextUpdate?.getTime(),
  }
}

describe('the reader', () => {
  test('reads what @peculiar/asn1-ocsp reads', () => {
    const singles = [
      scene.single(),
      scene.single({ hash: 'sha256', status: UNKNOWN }),
      scene.single({ serial: hex('00 ff'), status: revoked(Date.now() - 5000, 4) }),
      scene.single({ serial: hex('7f'), nextUpdate: null }),
    ]
    for (const response of [
      scene.byIssuer({ singles }),
      scene.byIssuer({ singles, responderId: 'key', nonce: Buffer.alloc(32) }),
      scene.by(scene.delegate, { singles: [] }),
    ]) {
      expect(ours(response)).toEqual(theirs(response))
    }
  })

  test('refuses what that passes over: an element more, wherever it stands', () => {
    const more = hex('05 00')
    const odd = extension('06 03 2a 03 04', more)
    const draft = { signer: scene.asIssuer, singles: [scene.single()], extensions: [odd] }
    const places = [
      Buffer.concat([ocspResponse(draft), more]),
      ocspResponse({ ...draft, afterData: more }),
      ocspResponse({ ...draft, extensions: [der(0x30, hex('06 03 2a 03 04 04 00'), more)] }),
      ocspResponse({ ...draft, responderId: der(0xa1, scene.issuer.subject.raw, more) }),
      ocspResponse({
        ...draft,
        singles: [scene.single({ after: der(0xa1, der(0x30, odd), more) })],
      }),
    ]
    for (const place of places) {
      expect(() => theirs(place)).not.toThrow()
      expect(() => ours(place)).toThrow(expect.objectContaining({ code: 'invalid-der' }))
    }
  })
})
