import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { once } from 'node:events'
import { mintRootCa } from '@fastify-spiffe/authority'
import { OCSPRequest } from '@peculiar/asn1-ocsp'
import { AsnConvert, OctetString } from '@peculiar/asn1-schema'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  NONCE,
  ocspResponse,
  asSigner,
  revoked,
  single,
} from '@fastify-spiffe-test/kit/ocsp-responses'
import type { OcspNotFollowedEvent } from '../events.ts'
import { TestResponder, WebCa, type WebCertificate } from '@fastify-spiffe-test/kit/web-ca'
import { handshake, TlsServer } from '../handshake.test.helper.ts'
import { OcspStapler } from './stapler.ts'

let ca: WebCa

beforeAll(async () => {
  ca = await WebCa.make()
})

/** A responder that says good of each of the certificates, by its serial number. */
function responderOf(certificates: () => readonly WebCertificate[]): Promise<TestResponder> {
  return TestResponder.serve((request) =>
    certificates()
      .find(({ certificate }) => request.includes(Buffer.from(certificate.serialNumber, 'hex')))
      ?.answer(),
  )
}

const codeOf = (opening: Promise<unknown>): Promise<unknown> =>
  opening.then(
    () => 'it did not fail',
    (error: unknown) => (error as { code?: unknown }).code,
  )

describe('the certificate of the server', () => {
  test('says itself who its responder is', async () => {
    let web: WebCertificate | undefined = undefined
    await using responder = await responderOf(() => [web!])
    web = await ca.mint({ responderUrls: ['ldap://127.0.0.1/', responder.url] })
    await using stapler = await OcspStapler.open({ certificate: web.cert })
    expect(stapler.staples).toMatchObject([{ stapled: true }])
  })

  test('may name several responders, which are asked in turn', async () => {
    let web: WebCertificate | undefined = undefined
    await using good = await responderOf(() => [web!])
    await using bad = await TestResponder.serve((_, response) => void response.destroy())
    web = await ca.mint({ responderUrls: [bad.url, good.url] })
    await using stapler = await OcspStapler.open({ certificate: web.cert })
    expect(stapler.staples).toMatchObject([{ stapled: false }])
    await stapler.refresh()
    expect(stapler.staples).toMatchObject([{ stapled: true }])
  })

  test.each([
    'ftp://127.0.0.1/',
    'http://user:password@127.0.0.1/',
    'http://',
    `http://127.0.0.1/${'a'.repeat(2048)}`,
  ])('that names the responder %s names none', async (url) => {
    const web = await ca.mint({ responderUrls: [url] })
    expect(await codeOf(OcspStapler.open({ certificate: web.cert }))).toBe('no-responder')
    expect(await codeOf(OcspStapler.open({ certificate: web.cert, responderUrl: url }))).toBe(
      'invalid-option',
    )
  })

  test('needs its issuer, in the chain or as an option', async () => {
    const web = await ca.mint()
    await using responder = await responderOf(() => [web])
    const options = { certificate: web.leafPem, responderUrl: responder.url }
    expect(await codeOf(OcspStapler.open(options))).toBe('no-issuer')
    const namesake = await mintRootCa('web.test', { subject: 'O=Web CA' })
    const wrong = OcspStapler.open({ ...options, issuer: namesake.certificatePem })
    expect(await codeOf(wrong)).toBe('no-issuer')
    await using stapler = await OcspStapler.open({ ...options, issuer: ca.ca.certificatePem })
    expect(stapler.staples).toMatchObject([{ stapled: true }])
  })

  test('is no SVID: SVIDs have no responders', async () => {
    const svid = await ca.ca.mint('spiffe://web.test/server')
    const certificate = svid.certificatesPem + ca.ca.certificatePem
    const opening = OcspStapler.open({ certificate, responderUrl: 'http://127.0.0.1:1/' })
    expect(await codeOf(opening)).toBe('svid-server')
  })

  test.each([[''], ['-----BEGIN'], [[]], [5], [null]])('is not %j', async (certificate) => {
    const opening = OcspStapler.open({ certificate: certificate as string })
    expect(await codeOf(opening)).toMatch(/^(?:no-certificate|invalid-option)$/)
  })
})

describe('a certificate that demands a staple', () => {
  const mustStaple = true

  test('does not start without one', async () => {
    const web = await ca.mint({ mustStaple })
    await using responder = await TestResponder.serve((_, response) => void response.destroy())
    const options = { certificate: web.cert, responderUrl: responder.url }
    expect(await codeOf(OcspStapler.open(options))).toBe('no-staple')
    responder.answering = () => web.answer({ status: revoked(Date.now()) })
    expect(await codeOf(OcspStapler.open(options))).toBe('no-staple')
    responder.answering = () => undefined
    expect(await codeOf(OcspStapler.open({ ...options, startTimeoutMs: 1 }))).toBe('no-staple')
    await using stapler = await OcspStapler.open({
      ...options,
      startTimeoutMs: 1,
      allowStartWithoutStaple: true,
    })
    expect(stapler.staples).toMatchObject([{ stapled: false, mustStaple: true }])
  })

  test('starts with one', async () => {
    const web = await ca.mint({ mustStaple })
    await using responder = await responderOf(() => [web])
    const options = { certificate: web.cert, responderUrl: responder.url }
    await using stapler = await OcspStapler.open(options)
    expect(stapler.staples).toMatchObject([{ stapled: true, mustStaple: true }])
  })
})

describe('a server that presents another certificate', () => {
  test('staples for the one that it presents: never the staple of the one before', async () => {
    const [old, renewed] = [await ca.mint(), await ca.mint()]
    await using responder = await responderOf(() => [old, renewed])
    const options = { certificate: old.cert, responderUrl: responder.url }
    await using stapler = await OcspStapler.open(options)
    await using server = await TlsServer.serve(old)
    stapler.attach(server.server)
    expect(await isAbout(server.port, old)).toBe(true)

    server.server.setSecureContext(renewed)
    expect((await handshake(server.port)).staple).toBeNull()
    // The handshake has made it known.
    while (stapler.staples.length < 2) await new Promise((resolve) => setImmediate(resolve))
    await stapler.refresh()
    expect(await isAbout(server.port, renewed)).toBe(true)
  })

  test('has the staple from its first handshake on, if the certificate is followed before', async () => {
    const [old, renewed] = [await ca.mint(), await ca.mint()]
    await using responder = await responderOf(() => [old, renewed])
    const options = { certificate: old.cert, responderUrl: responder.url }
    await using stapler = await OcspStapler.open(options)
    await using server = await TlsServer.serve(old)
    stapler.attach(server.server)
    expect(await stapler.follow(renewed.cert)).toMatchObject({ stapled: true })
    server.server.setSecureContext(renewed)
    expect(await isAbout(server.port, renewed)).toBe(true)
  })

  test('by the name that clients ask for staples for each', async () => {
    const [one, two] = [await ca.mint(), await ca.mint()]
    await using responder = await responderOf(() => [one, two])
    const certificate = [one.cert, two.cert]
    await using stapler = await OcspStapler.open({ certificate, responderUrl: responder.url })
    await using server = await TlsServer.serve(one)
    server.server.addContext('two.test', two)
    stapler.attach(server.server)
    expect(await isAbout(server.port, one)).toBe(true)
    expect(await isAbout(server.port, two, 'two.test')).toBe(true)
  })

  test('finds the issuer among those that it knows, where Node does not hand it over', async () => {
    const [old, renewed] = [await ca.mint(), await ca.mint()]
    await using responder = await responderOf(() => [old, renewed])
    const options = { certificate: old.cert, responderUrl: responder.url }
    await using stapler = await OcspStapler.open(options)
    await using server = await TlsServer.serve({ cert: renewed.leafPem, key: renewed.key })
    stapler.attach(server.server)
    expect((await handshake(server.port)).staple).toBeNull()
    while (stapler.staples.length < 2) await new Promise((resolve) => setImmediate(resolve))
    await stapler.refresh()
    expect(await isAbout(server.port, renewed)).toBe(true)
  })

  test('goes on without a staple if none can be had, and says so once', async () => {
    const web = await ca.mint()
    const foreign = await (await WebCa.make()).mint()
    await using responder = await responderOf(() => [web])
    const events: OcspNotFollowedEvent[] = []
    const record = (event: unknown): void => void events.push(event as OcspNotFollowedEvent)
    const options = { certificate: web.cert, responderUrl: responder.url }
    await using stapler = await OcspStapler.open(options)
    await using server = await TlsServer.serve({ cert: foreign.leafPem, key: foreign.key })
    stapler.attach(server.server)
    subscribe('spiffe:ocsp:not-followed', record)
    try {
      for (let round = 0; round < 3; round += 1) {
        expect((await handshake(server.port)).staple).toBeNull()
      }
      await new Promise((resolve) => setImmediate(resolve))
    } finally {
      unsubscribe('spiffe:ocsp:not-followed', record)
    }
    expect(events).toMatchObject([{ code: 'no-issuer' }])
    expect(stapler.staples).toHaveLength(1)
  })
})

/** Whether the staple of a handshake is about a certificate. */
async function isAbout(
  port: number,
  { certificate }: WebCertificate,
  servername = 'localhost',
): Promise<boolean> {
  const { staple } = await handshake(port, { servername })
  return staple?.includes(Buffer.from(certificate.serialNumber, 'hex')) ?? false
}

describe('attaching', () => {
  test('is refused beside another listener: Node destroys what is answered twice', async () => {
    const web = await ca.mint()
    await using responder = await responderOf(() => [web])
    const options = { certificate: web.cert, responderUrl: responder.url }
    await using one = await OcspStapler.open(options)
    await using two = await OcspStapler.open(options)
    await using server = await TlsServer.serve(web)
    one.attach(server.server)
    one.attach(server.server)
    expect(() => two.attach(server.server)).toThrow(
      expect.objectContaining({ code: 'already-stapled' }),
    )
    await one.close()
    expect(server.server.listenerCount('OCSPRequest')).toBe(0)
    two.attach(server.server)
    expect(await isAbout(server.port, web)).toBe(true)
  })

  test('ends with the server, and all else with the stapler', async () => {
    const web = await ca.mint()
    await using responder = await responderOf(() => [web])
    const stapler = await OcspStapler.open({ certificate: web.cert, responderUrl: responder.url })
    const { server } = await TlsServer.serve(web)
    stapler.attach(server)
    server.close()
    await once(server, 'close')
    expect(server.listenerCount('OCSPRequest')).toBe(0)
    await stapler.close()
    await stapler.close()
    expect(() => stapler.attach(server)).toThrow(expect.objectContaining({ code: 'closed' }))
    expect(await codeOf(stapler.follow(web.cert))).toBe('closed')
    expect(await codeOf(stapler.refresh())).toBe('closed')
  })
})

describe('a request', () => {
  test('is one that others read, by SHA-1 and SHA-256, by POST and GET', async () => {
    const web = await ca.mint()
    await using responder = await responderOf(() => [web])
    const options = { certificate: web.cert, responderUrl: responder.url }
    for (const [certIdHash, method] of [
      ['sha1', 'POST'],
      ['sha256', 'GET'],
    ] as const) {
      await using stapler = await OcspStapler.open({ ...options, certIdHash, method })
      expect(stapler.staples).toMatchObject([{ stapled: true }])
    }
    expect(responder.methods).toEqual(['POST', 'GET'])
    const read = responder.requests.map((request) => AsnConvert.parse(request, OCSPRequest))
    const ids = read.map(({ tbsRequest }) => tbsRequest.requestList[0]!.reqCert)
    expect(ids.map(({ hashAlgorithm }) => hashAlgorithm.algorithm)).toEqual([
      '1.3.14.3.2.26',
      '2.16.840.1.101.3.4.2.1',
    ])
    for (const [index, { serialNumber }] of ids.entries()) {
      const serial = Buffer.from(serialNumber).toString('hex').replace(/^00/, '')
      expect(serial).toBe(web.certificate.serialNumber)
      // Written again, it is the same.
      const written = Buffer.from(AsnConvert.serialize(read[index]))
      expect(written.equals(responder.requests[index]!)).toBe(true)
    }
  })

  test('has a nonce of 32 octets where one is asked for, another one each time', async () => {
    const web = await ca.mint()
    const nonces: Buffer[] = []
    await using responder = await TestResponder.serve((request) => {
      const { requestExtensions = [] } = AsnConvert.parse(request, OCSPRequest).tbsRequest
      const value = requestExtensions.find(({ extnID }) => extnID === '1.3.6.1.5.5.7.48.1.2')
      const nonce = Buffer.from(AsnConvert.parse(value!.extnValue.buffer, OctetString).buffer)
      nonces.push(nonce)
      return web.answer({}, { nonce })
    })
    const options = {
      certificate: web.cert,
      responderUrl: responder.url,
      nonce: 'required',
    } as const
    await using stapler = await OcspStapler.open(options)
    await stapler.refresh()
    expect(stapler.staples).toMatchObject([{ stapled: true, lastFailure: null }])
    expect(nonces.map(({ length }) => length)).toEqual([32, 32])
    expect(nonces[0]!.equals(nonces[1]!)).toBe(false)
    responder.answering = () => web.answer({}, { nonce: nonces[0]! })
    await stapler.refresh()
    expect(stapler.staples).toMatchObject([{ lastFailure: { code: 'nonce-mismatch' } }])
    responder.answering = () => web.answer()
    await stapler.refresh()
    expect(stapler.staples).toMatchObject([{ lastFailure: { code: 'nonce-missing' } }])
  })

  test('without the option has none', async () => {
    const web = await ca.mint()
    await using responder = await responderOf(() => [web])
    const options = { certificate: web.cert, responderUrl: responder.url }
    await using stapler = await OcspStapler.open(options)
    expect(stapler.staples).toMatchObject([{ stapled: true }])
    expect(responder.requests[0]!.includes(Buffer.from(NONCE.replaceAll(' ', ''), 'hex'))).toBe(
      false,
    )
  })
})

test('an answer that is good for a certificate of the same serial number of another CA is not taken', async () => {
  const web = await ca.mint()
  const other = await mintRootCa('other.test', { subject: 'O=Other CA' })
  const draft = { certificate: web.certificate, issuer: other.certificate }
  await using responder = await TestResponder.serve(() =>
    ocspResponse({ signer: asSigner(ca.ca), singles: [single(draft)] }),
  )
  const options = { certificate: web.cert, responderUrl: responder.url }
  await using stapler = await OcspStapler.open(options)
  expect(stapler.staples).toMatchObject([{ lastFailure: { code: 'no-match' } }])
})
