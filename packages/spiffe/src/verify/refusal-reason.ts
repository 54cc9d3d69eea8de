import type { Certificate } from '../x509/certificate.ts'
import type { Refusal } from './refusal.ts'

const NO_PATH: Refusal = {
  code: 'no-path',
  message:
    'no authority of the trust domain, and nothing that was sent, has the name of the issuer',
}

/** Why no path was found: what stopped the attempt that got furthest, the first of equals. */
export class RefusalReason {
  #refusal: Refusal = NO_PATH
  #progress = 0

  get refusal(): Refusal {
    return this.#refusal
  }

  /**
   * @param path how far the attempt got, leaf first
   * @param isSigned whether the issuer that was refused did sign the end of it
   */
  record(path: readonly Certificate[], isSigned: boolean, refusal: Refusal): void {
    const progress = path.length * 2 + (isSigned ? 1 : 0)
    if (progress <= this.#progress) return
    this.#progress = progress
    this.#refusal = refusal
  }

  recordBadSignature(path: readonly Certificate[]): void {
    const message = 'an issuer of the right name did not make the signature'
    this.record(path, false, { code: 'bad-signature', message })
  }
}
