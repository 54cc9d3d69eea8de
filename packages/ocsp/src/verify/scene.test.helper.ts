import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { Certificate } from '@fastify-spiffe/spiffe'
import {
  asSigner,
  ocspResponse,
  single,
  type ResponseDraft,
  type SignerOfTest,
  type SingleDraft,
} from '@fastify-spiffe-test/kit/ocsp-responses'
import { verifyOcspResponse, type VerifyOcspOptions } from './verify-ocsp-response.ts'

export const OCSP_SIGNING = '1.3.6.1.5.5.7.3.9'
export const SERVER_AUTH = '1.3.6.1.5.5.7.3.1'

const WEB = { uris: [], dnsNames: ['localhost'] } as const

/** A CA of the Web PKI, a certificate of it, and those who may answer for it. */
export class Scene {
  readonly ca: MintedCa
  readonly issuer: Certificate
  readonly certificate: Certificate
  readonly asIssuer: SignerOfTest
  readonly delegate: SignerOfTest

  private constructor(ca: MintedCa, certificate: Certificate, delegate: SignerOfTest) {
    this.ca = ca
    this.issuer = ca.certificate
    this.certificate = certificate
    this.asIssuer = asSigner(ca)
    this.delegate = delegate
  }

  static async make(template: Parameters<typeof mintRootCa>[1] = {}): Promise<Scene> {
    const ca = await mintRootCa('example.org', { subject: 'O=Web CA', ...template })
    const [leaf] = (await ca.mint('', { ...WEB, subject: 'CN=localhost' })).chain
    const delegate = await mintResponder(ca)
    return new Scene(ca, Certificate.fromDer(leaf!), delegate)
  }

  /** What a responder says of the certificate. */
  single(draft: Partial<SingleDraft> = {}): Buffer {
    return single({ certificate: this.certificate, issuer: this.issuer, ...draft })
  }

  /** A good answer of the issuer itself, where the draft is silent. */
  byIssuer(draft: Partial<ResponseDraft> = {}): Buffer {
    return ocspResponse({ signer: this.asIssuer, singles: [this.single()], ...draft })
  }

  /** A good answer of a responder, whose certificate comes with it. */
  by(signer: SignerOfTest, draft: Partial<ResponseDraft> = {}): Buffer {
    const certificates = [signer.certificate.raw]
    return ocspResponse({ signer, singles: [this.single()], certificates, ...draft })
  }

  /** The status of a response, or the code of its refusal. */
  verdict(response: Uint8Array, options: VerifyOcspOptions = {}): string {
    const verification = verifyOcspResponse(response, this, options)
    return verification.ok ? verification.answer.status : verification.code
  }
}

/** A certificate for a responder, a good one where the template is silent. */
export async function mintResponder(
  ca: MintedCa,
  template: Parameters<MintedCa['mint']>[1] = {},
): Promise<SignerOfTest> {
  const minted = await ca.mint('', {
    uris: [],
    dnsNames: ['ocsp.example.org'],
    subject: 'CN=responder',
    keyUsage: ['digitalSignature'],
    extendedKeyUsage: [OCSP_SIGNING],
    ...template,
  })
  return asSigner(minted)
}
