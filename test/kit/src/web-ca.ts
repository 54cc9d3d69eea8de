import { once } from 'node:events'
import http, { type IncomingMessage, type ServerResponse } from 'node:http'
import type { AddressInfo } from 'node:net'
import { buffer } from 'node:stream/consumers'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { Certificate } from '@fastify-spiffe/spiffe'
import {
  asSigner,
  der,
  hex,
  ocspResponse,
  single,
  type ResponseDraft,
  type SingleDraft,
} from './ocsp-responses.ts'

const AUTHORITY_INFO_ACCESS = '1.3.6.1.5.5.7.1.1'
const OCSP_METHOD = hex('06 08 2b 06 01 05 05 07 30 01')
const QUARTER = 90 * 86_400_000
const MUST_STAPLE = { oid: '1.3.6.1.5.5.7.1.24', value: hex('30 03 02 01 05') }

export interface WebCertificateOptions {
  /** Default: none. */
  readonly responderUrls?: readonly string[]
  readonly mustStaple?: boolean
  readonly notAfter?: number
}

/** A CA of the Web PKI that runs a responder. */
export class WebCa {
  readonly ca: MintedCa

  private constructor(ca: MintedCa) {
    this.ca = ca
  }

  static async make(): Promise<WebCa> {
    return new WebCa(await mintRootCa('web.test', { subject: 'O=Web CA' }))
  }

  /** Mints a certificate for `localhost`, whose chain has the issuer. */
  async mint(options: WebCertificateOptions = {}): Promise<WebCertificate> {
    const { responderUrls = [], mustStaple = false, notAfter = Date.now() + QUARTER } = options
    const minted = await this.ca.mint('', {
      uris: [],
      dnsNames: ['localhost'],
      subject: 'CN=localhost',
      notAfter,
      extraExtensions: [
        ...(responderUrls.length === 0 ? [] : [accessTo(responderUrls)]),
        ...(mustStaple ? [MUST_STAPLE] : []),
      ],
    })
    return new WebCertificate(this.ca, minted)
  }
}

function accessTo(urls: readonly string[]): { oid: string; value: Buffer } {
  const descriptions = urls.map((url) => der(0x30, OCSP_METHOD, der(0x86, Buffer.from(url))))
  return { oid: AUTHORITY_INFO_ACCESS, value: der(0x30, ...descriptions) }
}

/** A certificate, and the answers of its CA about it. */
export class WebCertificate {
  readonly certificate: Certificate
  readonly issuer: Certificate
  readonly cert: string
  readonly leafPem: string
  readonly key: string
  readonly #ca: MintedCa

  constructor(ca: MintedCa, minted: MintedCertificate) {
    this.#ca = ca
    this.certificate = Certificate.fromDer(minted.chain[0]!)
    this.issuer = ca.certificate
    this.leafPem = minted.certificatesPem
    this.cert = minted.certificatesPem + ca.certificatePem
    this.key = minted.privateKeyPem
  }

  /** An answer of the CA itself: good for an hour before and after now, where the drafts are silent. */
  answer(draft: Partial<SingleDraft> = {}, response: Partial<ResponseDraft> = {}): Buffer {
    const singles = [single({ certificate: this.certificate, issuer: this.issuer, ...draft })]
    return ocspResponse({ signer: asSigner(this.#ca), singles, ...response })
  }
}

export type Answering = (
  request: Buffer,
  response: ServerResponse,
  incoming: IncomingMessage,
) => Buffer | undefined | Promise<Buffer | undefined>

/** A responder on loopback, which answers as the test says. */
export class TestResponder implements AsyncDisposable {
  readonly #server = http.createServer()
  readonly requests: Buffer[] = []
  readonly methods: string[] = []
  answering: Answering

  private constructor(answering: Answering) {
    this.answering = answering
    this.#server.on('request', (incoming: IncomingMessage, response: ServerResponse) => {
      void this.#respond(incoming, response)
    })
  }

  static async serve(answering: Answering): Promise<TestResponder> {
    const responder = new TestResponder(answering)
    responder.#server.listen(0, '127.0.0.1')
    await once(responder.#server, 'listening')
    return responder
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/ocsp`
  }

  async #respond(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    const body = await buffer(incoming).catch(() => Buffer.alloc(0))
    const path = incoming.url?.split('/').at(-1) ?? ''
    const request =
      incoming.method === 'GET' ? Buffer.from(decodeURIComponent(path), 'base64') : body
    this.requests.push(request)
    this.methods.push(incoming.method ?? '')
    const answer = await this.answering(request, response, incoming)
    if (answer === undefined) return
    response.setHeader('content-type', 'application/ocsp-response').end(answer)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    this.#server.closeAllConnections()
    await closed
  }
}
