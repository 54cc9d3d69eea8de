import https from 'node:https'
import { createSecureContext, type SecureContext } from 'node:tls'
import {
  BundleSet,
  SpiffeError,
  type SourceState,
  type X509Bundle,
  type X509MaterialSource,
} from '@fastify-spiffe/spiffe'
import { SvidAgent } from '@fastify-spiffe/tls'
import { FetchFailure } from '../errors.ts'
import type { EndpointProof } from './options.ts'

/** What the connections to endpoints need besides the endpoint. */
export interface AgentParts {
  /** The X.509 bundle to verify an endpoint with that is of `trustDomain`. */
  readonly bundleOf: (trustDomain: X509Bundle['trustDomain']) => X509Bundle | undefined
  readonly timeoutMs: number
  readonly clock: () => number
}

/**
 * Makes the agent for one fetch. Its connections present no certificate, resume no session and are not kept.
 * @throws {@link FetchFailure} `endpoint-not-trusted`
 */
export function endpointAgent(proof: EndpointProof, parts: AgentParts): https.Agent {
  if (proof.profile === 'https_web') {
    return new https.Agent({
      secureContext: webContext(proof.ca),
      // Given here, because an environment variable changes the default.
      rejectUnauthorized: true,
      maxCachedSessions: 0,
      keepAlive: false,
    })
  }
  // SPIFFE Federation §5.2.2.4: with the bundle of the trust domain that the ID of the endpoint is in, and with no other.
  const { trustDomain } = proof.endpointSpiffeId
  const bundle = parts.bundleOf(trustDomain)
  if (bundle === undefined || bundle.authorities.length === 0) {
    const message = `there is no authority of ${trustDomain.name} to verify the endpoint with`
    throw new FetchFailure('endpoint-not-trusted', message)
  }
  return new SvidAgent({
    source: sourceOf(bundle),
    server: proof.endpointSpiffeId.toString(),
    clientCertificate: 'none',
    timeoutMs: parts.timeoutMs,
    clock: parts.clock,
  })
}

/** By their authorities: to read them takes longer than a handshake. */
const webContexts = new Map<string, SecureContext>()
const MAX_CONTEXTS = 100

function webContext(ca: readonly string[] | undefined): SecureContext {
  const key = ca?.join('\n') ?? ''
  const known = webContexts.get(key)
  if (known !== undefined) return known
  const context = createSecureContext(ca === undefined ? {} : { ca: [...ca] })
  const [oldest] = webContexts.keys()
  if (webContexts.size >= MAX_CONTEXTS && oldest !== undefined) webContexts.delete(oldest)
  webContexts.set(key, context)
  return context
}

/** One for each bundle, so that the verifier remembers an endpoint until the bundle is another one. */
const sources = new WeakMap<X509Bundle, BundleOnlySource>()

function sourceOf(bundle: X509Bundle): BundleOnlySource {
  const known = sources.get(bundle)
  if (known !== undefined) return known
  const source = new BundleOnlySource(bundle)
  sources.set(bundle, source)
  return source
}

/** A source that has no SVID, and one bundle, which does not change. */
class BundleOnlySource implements X509MaterialSource {
  readonly svid = null
  readonly state: SourceState = 'ready'
  readonly bundles: BundleSet

  constructor(bundle: X509Bundle) {
    this.bundles = BundleSet.of(bundle)
  }

  onUpdate(): () => void {
    return () => {}
  }

  nextUpdate(): Promise<void> {
    return Promise.reject(new SpiffeError('source-closed', 'the bundle does not change'))
  }

  async close(): Promise<void> {}

  async [Symbol.asyncDispose](): Promise<void> {}
}
