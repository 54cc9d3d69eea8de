import type { Server } from 'node:tls'
import { Certificate } from '@fastify-spiffe/spiffe'
import {
  fingerprintOf,
  ownCertificate,
  readChain,
  type OwnCertificate,
  type Pem,
} from '../certificate/own-certificate.ts'
import { OcspError } from '../errors.ts'
import { readOptions, type OcspStaplerOptions, type StaplerSettings } from '../options.ts'
import { OcspReport, type OcspLog } from '../report.ts'
import { StapleStore } from '../store/staple-store.ts'
import { FollowedCertificate, type StapleStatus } from './followed-certificate.ts'
import type { FollowSettings } from '../settings.ts'

/** How many certificates are followed; the one that was not presented for longest goes first. */
const MAX_CERTIFICATES = 100

type OcspListener = (
  certificate: Buffer,
  issuer: Buffer | null | undefined,
  callback: (error: Error | null, response: Buffer | null) => void,
) => void

/**
 * Holds fresh OCSP answers about the certificates of servers, and staples them. An answer is looked up by the certificate that a
 * handshake presents, and handed over at once: no handshake waits for a responder.
 */
export class OcspStapler implements AsyncDisposable {
  readonly #settings: StaplerSettings
  readonly #follow: FollowSettings
  /** By fingerprint; the last presented one last. */
  readonly #followed = new Map<string, FollowedCertificate>()
  readonly #unusable = new Set<string>()
  readonly #servers = new Set<Server>()
  /** Of all certificates that were given: Node does not always know the issuer of one that it presents. */
  readonly #issuers = new Map<string, Certificate>()
  #isClosed = false

  private constructor(settings: StaplerSettings, store: StapleStore | null, log: OcspLog | null) {
    this.#settings = settings
    this.#follow = { ...settings, store, report: new OcspReport(log) }
  }

  /**
   * Starts to follow the certificates, and waits for their first answers, for `startTimeoutMs` at most.
   *
   * @throws {@link OcspError} `unknown-option`, `invalid-option`, `no-certificate`, `svid-server`, `no-issuer`,
   *   `no-responder`; `no-staple` for a certificate that demands one, if there is none in time
   */
  static async open(options: OcspStaplerOptions, log: OcspLog | null = null): Promise<OcspStapler> {
    const settings = readOptions(options)
    const { directory } = settings
    const store = directory === null ? null : await openStore(directory)
    const stapler = new OcspStapler(settings, store, log)
    try {
      const all = settings.certificates.map((pem) => stapler.#own(readChain(pem)))
      const started = all.map((own) => stapler.#start(own))
      await stapler.#inTime(Promise.all(started))
      stapler.#assertStaples(all)
      return stapler
    } catch (error) {
      await stapler.close()
      throw error
    }
  }

  /** What is known of each certificate, in the order in which they were last presented. */
  get staples(): readonly StapleStatus[] {
    return Array.from(this.#followed.values(), ({ status }) => status)
  }

  /**
   * Staples for the handshakes of a server that clients ask for it. A certificate that the server presents and that is not
   * followed yet is followed from then on.
   * @throws {@link OcspError} `already-stapled` if something else answers; `closed`
   */
  attach(server: Server): void {
    this.#assertOpen()
    if (this.#servers.has(server)) return
    // Node destroys a connection for which two of them answer.
    if (server.listenerCount('OCSPRequest') > 0) {
      const message = 'something else answers OCSPRequest of this server, and only one can'
      throw new OcspError('already-stapled', message)
    }
    server.on('OCSPRequest', this.#answer)
    this.#servers.add(server)
    server.once('close', () => this.#detach(server))
  }

  /**
   * Follows another certificate, so that its staple is there before `server.setSecureContext()` presents it. Resolves after
   * the first attempt with what is known then.
   * @param chain in PEM, leaf first
   * @throws {@link OcspError} `no-certificate`, `svid-server`, `no-issuer`, `no-responder`, `closed`
   */
  async follow(chain: Pem): Promise<StapleStatus> {
    this.#assertOpen()
    const own = this.#own(readChain(chain))
    await this.#start(own)
    const followed = this.#followed.get(own.fingerprint)
    if (followed === undefined) throw closed()
    return followed.status
  }

  /**
   * Asks for all certificates now. Resolves when all responders have answered, well or not.
   * @throws {@link OcspError} `closed`
   */
  async refresh(): Promise<void> {
    this.#assertOpen()
    await Promise.all(Array.from(this.#followed.values(), (followed) => followed.refresh()))
  }

  /** Stops stapling, and all that runs in the background. Safe to call twice. */
  async close(): Promise<void> {
    this.#isClosed = true
    for (const server of this.#servers) this.#detach(server)
    await Promise.all(Array.from(this.#followed.values(), (followed) => followed.close()))
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }

  /** Never throws, and calls back at once: a listener that does not would hang the handshake. */
  readonly #answer: OcspListener = (certificate, issuer, callback) => {
    let staple: Buffer | null = null
    try {
      staple = this.#stapleFor(certificate, issuer ?? null)
    } catch {
      // No staple, rather than no connection.
    }
    callback(null, staple)
  }

  #stapleFor(certificate: Buffer, issuer: Buffer | null): Buffer | null {
    const fingerprint = fingerprintOf(certificate)
    const followed = this.#followed.get(fingerprint)
    if (followed === undefined) {
      if (!this.#unusable.has(fingerprint)) this.#learnLater(fingerprint, certificate, issuer)
      return null
    }
    this.#followed.delete(fingerprint)
    this.#followed.set(fingerprint, followed)
    return followed.staple
  }

  /** Outside of the handshake. It is remembered at once, so that the next handshakes do not do the same. */
  #learnLater(fingerprint: string, der: Buffer, issuer: Buffer | null): void {
    if (this.#unusable.size >= MAX_CERTIFICATES) this.#unusable.clear()
    this.#unusable.add(fingerprint)
    setImmediate(() => {
      if (this.#isClosed) return
      try {
        const chain = [der, ...(issuer === null ? [] : [issuer])].map((each) =>
          Certificate.fromDer(each),
        )
        void this.#start(this.#own(chain))
        this.#unusable.delete(fingerprint)
      } catch (error) {
        this.#reportUnusable(error)
      }
    })
  }

  #reportUnusable(error: unknown): void {
    const isOwn = error instanceof OcspError
    const code = isOwn ? error.code : 'no-certificate'
    const message = isOwn ? error.message : 'the certificate cannot be read'
    this.#follow.report.notFollowed({ code, message })
  }

  #own(chain: readonly Certificate[]): OwnCertificate {
    const { issuers, responderUrl } = this.#settings
    const known = [...issuers, ...this.#issuers.values()]
    const own = ownCertificate(chain, { issuers: known, responderUrl })
    if (this.#issuers.size < MAX_CERTIFICATES) {
      this.#issuers.set(own.issuer.fingerprint256, own.issuer)
    }
    return own
  }

  #start(own: OwnCertificate): Promise<void> {
    const known = this.#followed.get(own.fingerprint)
    if (known !== undefined) return known.refresh()
    const followed = new FollowedCertificate(own, this.#follow)
    this.#followed.set(own.fingerprint, followed)
    this.#dropOthers()
    return followed.start()
  }

  #dropOthers(): void {
    for (const [fingerprint, followed] of this.#followed) {
      if (this.#followed.size <= MAX_CERTIFICATES && !followed.isExpired) continue
      this.#followed.delete(fingerprint)
      void this.#forget(fingerprint, followed)
    }
  }

  async #forget(fingerprint: string, followed: FollowedCertificate): Promise<void> {
    await followed.close()
    await this.#follow.store?.remove(fingerprint).catch(() => undefined)
  }

  async #inTime(done: Promise<unknown>): Promise<void> {
    const { startTimeoutMs, setTimer } = this.#settings
    await new Promise<void>((resolve, reject) => {
      const cancel = setTimer(resolve, startTimeoutMs)
      done.then(() => resolve(), reject).finally(cancel)
    })
  }

  #assertStaples(all: readonly OwnCertificate[]): void {
    if (this.#settings.allowStartWithoutStaple) return
    for (const { mustStaple, fingerprint } of all) {
      const followed = this.#followed.get(fingerprint)
      if (!mustStaple || followed === undefined || followed.staple !== null) continue
      const { lastFailure, status } = followed.status
      const reason =
        status === 'revoked' ? 'it is revoked' : (lastFailure?.message ?? 'no answer in time')
      const message = `the certificate demands a staple, and there is none: ${reason}`
      throw new OcspError('no-staple', message)
    }
  }

  #detach(server: Server): void {
    server.off('OCSPRequest', this.#answer)
    this.#servers.delete(server)
  }

  #assertOpen(): void {
    if (this.#isClosed) throw closed()
  }
}

function closed(): OcspError {
  return new OcspError('closed', 'the stapler was closed')
}

async function openStore(directory: string): Promise<StapleStore> {
  try {
    return await StapleStore.open(directory)
  } catch (cause) {
    throw new OcspError('invalid-option', 'directory cannot be used', { cause })
  }
}
