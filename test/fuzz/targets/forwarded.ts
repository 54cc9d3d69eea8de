import { hash } from 'node:crypto'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { BundleSet, SpiffeId, TrustDomain, X509Bundle } from '@fastify-spiffe/spiffe'
import * as fc from 'fast-check'
import { NOW } from '../../support/verdict.ts'
import { readCorpus, type GoodChain } from '../corpus/corpus.ts'
import { internal, type ForwardedModule } from '../support/internals.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import { changed, decoded, inPart, textChanges, type TextChange } from '../support/texts.ts'

interface Input {
  readonly chain: number
  readonly changes: readonly TextChange[]
  /** Which header is changed, where there are two. */
  readonly second: boolean
}

type Headers = ReadonlyMap<string, string>

/** How a proxy writes a client, and how that is spoilt. */
interface Dialect {
  readonly header: 'x-forwarded-client-cert' | 'client-cert'
  readonly write: (chain: readonly Buffer[]) => Headers
  readonly changes: fc.Arbitrary<TextChange>
}

const WEB = 'spiffe://example.org/acme/web'
const CHAIN = 'client-cert-chain'
const PROXY = SpiffeId.parse('spiffe://example.org/infra/gateway')

const XFCC_PIECES = [
  ';',
  ',',
  '"',
  '\\',
  '\\"',
  '=',
  'By=',
  'by=',
  'Hash=',
  'Cert="',
  'Chain="',
  'Subject="CN=web"',
  ';Subject="a;Hash=b\\"c"',
  'URI=',
  ';DNS=a.example.org',
  ';DNS=a;URI=spiffe://example.org/acme/admin',
  `;URI=${WEB}`,
  WEB,
  PROXY.toString(),
  '%0A',
  '%0a',
  '%41',
  '%2B',
  '+',
  '-----BEGIN%20CERTIFICATE-----',
  '-----END%20CERTIFICATE-----%0A',
  ' ',
  '',
]

const ITEM_PIECES = [':', ', ', ',', '=', '+', '-', ' ', '', ':MAA=:', ';a=1', '"', '\n']

const XFCC: Dialect = {
  header: 'x-forwarded-client-cert',
  write(chain) {
    const digest = hash('sha256', chain[0]!, 'hex')
    const pems = chain.map(encodedPem)
    const pairs = [
      `By=${PROXY.toString()}`,
      `Hash=${digest}`,
      `Cert="${pems[0]}"`,
      `Chain="${pems.join('')}"`,
      'Subject="CN=web,O=\\"a;b\\""',
      `URI=${WEB}`,
      'DNS=web.example.org',
    ]
    return new Map([['x-forwarded-client-cert', pairs.join(';')]])
  },
  changes: fc.oneof(
    textChanges(XFCC_PIECES),
    fc
      .tuple(fc.nat(6), textChanges(XFCC_PIECES))
      .map(([index, change]) => inPart(';', index, change)),
  ),
}

const CLIENT_CERT: Dialect = {
  header: 'client-cert',
  write: ([leaf, ...others]) =>
    new Map([
      ['client-cert', item(leaf!)],
      [CHAIN, others.map(item).join(', ')],
    ]),
  changes: fc.oneof(
    textChanges(ITEM_PIECES),
    fc
      .tuple(fc.nat(3), textChanges(ITEM_PIECES))
      .map(([index, change]) => inPart(', ', index, inPart(':', 1, decoded('base64', change)))),
  ),
}

function item(der: Buffer): string {
  return `:${der.toString('base64')}:`
}

function encodedPem(der: Buffer): string {
  const lines = der.toString('base64').replaceAll(/.{1,64}/g, '$&\n')
  const pem = `-----BEGIN CERTIFICATE-----\n${lines}-----END CERTIFICATE-----\n`
  return pem.replaceAll(/[\n +/=]/g, (character) => encodeURIComponent(character))
}

/** What Envoy forwards of its clients. */
export const openXfcc = (): Promise<Target<Input>> => openForwarded(XFCC)

/** What proxies forward as RFC 9440 says. */
export const openClientCert = (): Promise<Target<Input>> => openForwarded(CLIENT_CERT)

/** Clients of a listed proxy: none is accepted but the one whose certificate was sent whole. */
async function openForwarded({ header, write, changes }: Dialect): Promise<Target<Input>> {
  const { ForwardedVerifier } = await internal<ForwardedModule>(
    'chain/dist/forwarded/forwarded-verifier.js',
  )
  const { chains } = readCorpus()
  const clients = chains.map((good) => {
    const proxies = [{ id: PROXY, header, speaksFor: [WEB] }]
    const options = { source: sourceOf(good), proxies, clock: () => NOW }
    return { good: write(good.chain), verifier: new ForwardedVerifier(options) }
  })
  const clientOf = ({ chain }: Input) => clients[chain % clients.length]!
  const sentOf = (input: Input): Headers => {
    const sent = new Map(clientOf(input).good)
    const name = input.second && sent.has(CHAIN) ? CHAIN : header
    const text = sent.get(name)
    if (text !== undefined) sent.set(name, changed(text, input.changes))
    return sent
  }
  return {
    inputs: fc.record({
      chain: fc.nat(1000),
      changes: fc.array(changes, { maxLength: 3 }),
      second: fc.boolean(),
    }),
    read(input) {
      const { good, verifier } = clientOf(input)
      const sent = sentOf(input)
      const lines = (name: string): readonly string[] => (sent.has(name) ? [sent.get(name)!] : [])
      const verification = verifier.verify(lines, PROXY)
      if (!verification.ok) {
        const isGood = [...good].every(([name, text]) => sent.get(name) === text)
        check(!isGood, `a good client is refused: ${verification.code}`)
        check(/^forwarded-[a-z-]+(?::[a-z-]+)?$/.test(verification.code), verification.code)
        return verification.code
      }
      check(verification.chain !== null, 'a client was sent, and is not seen')
      check(String(verification.chain.origin) === WEB, 'it is another client')
      check(holds(sent, good, header), 'it is not the certificate that was sent')
      return ACCEPTED
    },
    bytesOf: (input) => Buffer.from(JSON.stringify([...sentOf(input)])),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** Whether the certificate of the client is there, octet for octet. */
function holds(sent: Headers, good: Headers, header: string): boolean {
  if (header === 'client-cert') return sent.get(header) === good.get(header)
  const [certificate = ''] = /(?<=Cert=").*?(?=")/.exec(good.get(header)!) ?? []
  // The line feed at its end may be missing.
  return sent.get(header)!.includes(certificate.slice(0, -3))
}

function sourceOf({ trustDomain, authority }: GoodChain): ScriptedSource {
  const bundle = X509Bundle.fromDer(TrustDomain.parse(trustDomain), authority)
  return new ScriptedSource(null, BundleSet.of(bundle))
}
