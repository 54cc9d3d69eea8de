import { writeFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { mintRootCa, type KeyType, type MintedCa } from '@fastify-spiffe/authority'
import { loadSync } from '@grpc/proto-loader'
import type { ServiceDefinition } from '@grpc/proto-loader'
import { NOW } from '../../support/verdict.ts'
import { svidFields } from '@fastify-spiffe-test/kit/workload-messages'
import { goodCalls } from './calls.ts'
import { CORPUS_FILE, corpusText, type Corpus, type GoodChain } from './corpus.ts'

// Writes the corpus anew: `node test/dist/fuzz/corpus/write.js`. The keys in it are for nothing else.

const KEY_TYPES: readonly KeyType[] = ['ec-p256', 'ec-p384', 'ec-p521', 'ed25519', 'rsa-2048']
const WEB = 'spiffe://example.org/acme/web'

const clock = (): number => NOW

async function goodChain(keyType: KeyType): Promise<GoodChain & { readonly ca: MintedCa }> {
  const template = { keyType, nameConstraints: { permittedUris: ['example.org'] } }
  const ca = await mintRootCa('example.org', { keyType }, { clock })
  const upper = await ca.mintCa({ keyType, pathLength: 1, dnsNames: ['ca.example.org'] })
  const lower = await upper.mintCa({ ...template, pathLength: 0, uris: ['spiffe://example.org'] })
  const { chain } = await lower.mint(WEB, { keyType, dnsNames: ['web.example.org'] })
  return { name: keyType, trustDomain: 'example.org', chain, authority: ca.der, ca }
}

function serializerOf(method: string): (message: object) => Buffer {
  const file = createRequire(import.meta.url).resolve('@fastify-spiffe/spiffe/workload.proto')
  const service = loadSync(file)['SpiffeWorkloadAPI'] as ServiceDefinition
  return service[method]!.responseSerialize
}

async function corpus(): Promise<Corpus> {
  const chains = await Promise.all(KEY_TYPES.map(goodChain))
  const [{ ca }] = chains as [(typeof chains)[number]]
  const foreign = await mintRootCa('example.com', {}, { clock })
  const lists = [
    await ca.mintRevocationList({ revoked: ['1234', 'a0b1c2d3e4f5'] }),
    await chains[3]!.ca.mintRevocationList(),
    await chains[4]!.ca.mintRevocationList({ revoked: ['42'] }),
  ]
  const svids = [
    await svidFields(ca, WEB, { hint: 'internal' }),
    await svidFields(ca, 'spiffe://example.org/acme/api'),
  ]
  const federatedBundles = { 'spiffe://example.com': foreign.der }
  const bundles = { 'spiffe://example.org': ca.der, ...federatedBundles }
  const svidMessage = serializerOf('FetchX509SVID')
  const bundlesMessage = serializerOf('FetchX509Bundles')
  const minted = await ca.mint(WEB)
  return {
    chains: chains.map(({ name, trustDomain, chain, authority }) => ({
      name,
      trustDomain,
      chain,
      authority,
    })),
    revocationLists: lists,
    svidMessages: [
      svidMessage({ svids: [svids[0]] }),
      svidMessage({ svids, crl: [lists[0]], federatedBundles }),
    ],
    bundlesMessages: [bundlesMessage({ bundles, crl: [lists[0]] })],
    pems: [
      Buffer.from(`${minted.certificatesPem}${ca.certificatePem}`),
      Buffer.from(minted.privateKeyPem),
      pemOf('X509 CRL', lists[0]!),
    ],
    calls: await goodCalls(),
  }
}

function pemOf(label: string, der: Buffer): Buffer {
  const lines = der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')
  return Buffer.from(`-----BEGIN ${label}-----\n${lines}-----END ${label}-----\n`)
}

await writeFile(CORPUS_FILE, corpusText(await corpus()))
