import { X509Certificate } from 'node:crypto'
import {
  BundleSet,
  SpiffeError,
  TrustDomain,
  verifyX509Svid,
  X509Bundle,
} from '@fastify-spiffe/spiffe'
import { ACCEPTED, refused, type Judge, type Opinion, type Question } from './judge.ts'

/** `verifyX509Svid`, given what `node:tls` would give it. */
export const ours: Judge = {
  name: 'ours',
  judge: (questions) => Promise.resolve(questions.map(judge)),
  [Symbol.asyncDispose]: () => Promise.resolve(),
}

function judge({ chain, bundles, now }: Question): Opinion {
  const presented = readAll(chain)
  if (presented === undefined) return refused('malformed')
  const set = readBundles(bundles)
  if (set === undefined) return refused('invalid-bundle')
  const verification = verifyX509Svid(presented, set, { clock: () => now })
  return verification.ok ? ACCEPTED : refused(verification.code)
}

/** `undefined` where OpenSSL reads a certificate not at all: the handshake would end there. */
function readAll(chain: readonly Uint8Array[]): readonly X509Certificate[] | undefined {
  try {
    return chain.map((der) => new X509Certificate(der))
  } catch {
    return undefined
  }
}

/** `undefined` for what no source of bundles would take. */
function readBundles(bundles: Question['bundles']): BundleSet | undefined {
  try {
    return BundleSet.of(...[...bundles].map((bundle) => readBundle(...bundle)))
  } catch (error) {
    if (error instanceof SpiffeError) return undefined
    throw error
  }
}

function readBundle(name: string, authorities: readonly Uint8Array[]): X509Bundle {
  return X509Bundle.fromDer(TrustDomain.parse(name), Buffer.concat(authorities))
}
