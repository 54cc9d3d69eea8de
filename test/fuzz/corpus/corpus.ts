import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A chain that verifies, leaf first, and the authority that it leads to. */
export interface GoodChain {
  /** The types of the keys. */
  readonly name: string
  readonly trustDomain: string
  readonly chain: readonly Buffer[]
  readonly authority: Buffer
}

/** A call whose chain of callers is good. */
export interface GoodCall {
  /** The SPIFFE ID of the receiver. */
  readonly self: string
  /** The peer of the connection: the last hop, or a relay. */
  readonly caller: string
  /** What a relay passes on; `null`: none stands between. */
  readonly request: { readonly method: string; readonly target: string } | null
  /** Who has signed, in order, joined by a space. */
  readonly path: string
  readonly authority: Buffer
  /** `Svid-Chain`. */
  readonly chain: string
  /** `Svid-Chain-Certs`. */
  readonly certificates: string
}

/** Good material, from which inputs are made. It is kept in a file so that a seed gives the same inputs each time. */
export interface Corpus {
  readonly chains: readonly GoodChain[]
  readonly revocationLists: readonly Buffer[]
  /** `X509SVIDResponse`, as it comes over gRPC. */
  readonly svidMessages: readonly Buffer[]
  /** `X509BundlesResponse`. */
  readonly bundlesMessages: readonly Buffer[]
  /** PEM of certificates, of revocation lists, and of keys. */
  readonly pems: readonly Buffer[]
  readonly calls: readonly GoodCall[]
}

/** Where the file is, seen from the compiled code. */
export const CORPUS_FILE: string = fileURLToPath(
  new URL('../../../fuzz/corpus/corpus.json', import.meta.url),
)

/** Buffers are written in base64. */
export function readCorpus(): Corpus {
  return JSON.parse(readFileSync(CORPUS_FILE, 'utf8'), (_key, value: unknown) =>
    typeof value === 'string' && value.startsWith('base64:')
      ? Buffer.from(value.slice('base64:'.length), 'base64')
      : value,
  ) as Corpus
}

export function corpusText(corpus: Corpus): string {
  const text = JSON.stringify(
    corpus,
    function replace(this: Record<string, unknown>, key: string, value: unknown) {
      // `toJSON` of a Buffer comes first: the buffer itself is what holds the key.
      const own = this[key]
      return Buffer.isBuffer(own) ? `base64:${own.toString('base64')}` : value
    },
    2,
  )
  return `${text}\n`
}
