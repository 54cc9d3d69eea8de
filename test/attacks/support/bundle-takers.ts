import { bundleEndpoint } from '@fastify-spiffe/bundle-endpoint'
import { Federation, type FederationOptions } from '@fastify-spiffe/federation'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { spiffeServer } from '@fastify-spiffe/svid'
import Fastify from 'fastify'

type Make = (options: never) => unknown
type Taker = readonly [string, Make, Record<string, unknown>, readonly string[]]

const FOLLOWED = {
  trustDomain: 'partner.test',
  url: 'https://127.0.0.1:1/',
  profile: 'https_web',
} as const

async function open(options: FederationOptions): Promise<void> {
  const federation = await Federation.open(options)
  await federation.close()
}

/** Who publishes and who follows bundles. Not among the options: names of files and folders, which would be made. */
export function bundleTakers(source: X509MaterialSource): readonly Taker[] {
  const publish = async (options: object): Promise<void> => {
    const app = Fastify(spiffeServer(source, { clientCertificate: 'optional' }))
    try {
      await app.register(bundleEndpoint, { source, ...options })
      await app.ready()
    } finally {
      await app.close()
    }
  }
  const follow = (options: object): Promise<void> =>
    open({ openTimeoutMs: 0, trustDomains: [{ ...FOLLOWED, ...options }] })
  return [
    [
      'bundleEndpoint',
      publish,
      {},
      [
        'profile',
        'source',
        'jwtSource',
        'trustDomain',
        'path',
        'refreshHintMs',
        'maxBytes',
        'allowPlainHttp',
        'clock',
        'unknownOption',
      ],
    ],
    [
      'Federation',
      open,
      {},
      [
        'trustDomains',
        'source',
        'timeoutMs',
        'openTimeoutMs',
        'maxBundleBytes',
        'maxTotalBytes',
        'maxConcurrentFetches',
        'lookup',
        'clock',
        'random',
        'setTimer',
        'unknownOption',
      ],
    ],
    [
      'a trust domain to follow',
      follow,
      {},
      ['trustDomain', 'url', 'profile', 'endpointSpiffeId', 'bundle', 'ca', 'unknownOption'],
    ],
  ]
}
