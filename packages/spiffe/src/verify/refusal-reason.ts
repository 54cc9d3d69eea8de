import type { Certificate } from '../x509/certificate.ts'
import type { Refusal } from './refusal.ts'

const NO_PATH: Refusal = {
  code: 'no-path',
  message:
    'neither an authority of the trust domain nor a sent certificate has the name of the issuer',
}

/** Why no path was found: what stopped the attempt that got furthest; of equals, the first. */
export class RefusalReason {
  #refusal: Refusal = NO_PATH
  #progress = 0

  get refusal(): Refusal {
    return this.#refusal
  }

  /**
   * @param path the certificates that the attempt reached, leaf first
   * @param isSigned whether the refused issuer signed the last certificate of the path
   */
  record(path: readonly Certificate[], isSigned: boolean, refusal: Refusal): void {
    const progress = path.length * 2 + (isSigned ? 1 : 0)
    if (progress <= this.#progress) return
    this.#progress = progress
    this.#refusal = refusal
  }

  recordBadSignature(path: readonly Certificate[]): void {
    const message = 'the issuer with the right name did not make the signature'
    this.record(path, false, { code: 'bad-signature', message })
  }
}
