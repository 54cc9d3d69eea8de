// The processor time that verifyX509Svid takes for the worst chains and bundles that are known.
import { generateKeyPairSync, X509Certificate } from 'node:crypto'
import { mintRootCa } from '@fastify-spiffe/authority'
import type { CertificateTemplate, KeyPair, MintedCa } from '@fastify-spiffe/authority'
import { BundleSet, TrustDomain, verifyX509Svid, X509Bundle } from '@fastify-spiffe/spiffe'
import type { Certificate, VerificationBudget } from '@fastify-spiffe/spiffe'
import { spread, type Spread } from './statistics.ts'

const DOMAIN = TrustDomain.parse('example.org')
const WEB = 'spiffe://example.org/web'
const NO_KEY_IDS = { subjectKeyIdentifier: false, authorityKeyIdentifier: false }
/** What OpenSSL takes in one message of TLS. */
const WHOLE_MESSAGE: VerificationBudget = { maxCertificates: 400, maxBytes: 102_400 }
const ROUNDS = 15
const WARM_UP_ROUNDS = 5

interface Case {
  readonly name: string
  readonly chain: readonly Uint8Array[]
  readonly authorities: readonly Certificate[]
  readonly budget?: VerificationBudget
}

const keyPairOn = (namedCurve: string): KeyPair => generateKeyPairSync('ec', { namedCurve })

const rsaKeyPair = (modulusLength: number): KeyPair => generateKeyPairSync('rsa', { modulusLength })

async function authorities(count: number, template: CertificateTemplate = {}): Promise<MintedCa[]> {
  const minted: MintedCa[] = []
  for (let index = 0; index < count; index += 1) {
    minted.push(await mintRootCa(DOMAIN, { subject: `O=authority ${index}`, ...template }))
  }
  return minted
}

/** Every member certifies every other. */
async function mesh(
  members: readonly MintedCa[],
  template: CertificateTemplate = {},
): Promise<Buffer[]> {
  const all: Buffer[] = []
  for (const { subject, keyPair } of members) {
    for (const issuer of members) {
      if (issuer.subject === subject) continue
      all.push((await issuer.mintCa({ subject, keyPair, ...template })).der)
    }
  }
  return all
}

const leafOf = async (ca: MintedCa, template: object = {}): Promise<Buffer> =>
  (await ca.mint(WEB, { keyType: 'ec-p256', ...template })).chain[0]!

const certificatesOf = (cas: readonly MintedCa[]): Certificate[] =>
  cas.map(({ certificate }) => certificate)

async function meshes(): Promise<Case[]> {
  const members = await authorities(10)
  const [first, last] = [members[0]!, members.at(-1)!]
  const [stranger, other] = await authorities(2, { subject: 'O=stranger' })
  const leaf = await leafOf(first)
  const plain = [leaf, ...(await mesh(members))]
  // Breaks a rule that depends on the path, so that every way through the mesh is tried.
  const { subject, keyPair } = members[5]!
  const narrow = (await stranger!.mintCa({ subject, keyPair, pathLength: 0 })).der
  const bound = [...plain, narrow]
  const nameConstraints = { permittedUris: ['example.org'], excludedUris: ['other.test'] }
  const named = [leaf, ...(await mesh(members, { nameConstraints })), narrow]
  const budget = WHOLE_MESSAGE
  const trusted = [last.certificate]
  const untrusted = [other!.certificate]
  return [
    { name: 'mesh of 10, trusted', chain: plain, authorities: trusted, budget },
    { name: 'mesh of 10, not trusted', chain: plain, authorities: untrusted, budget },
    { name: 'mesh with a path length, trusted', chain: bound, authorities: trusted, budget },
    { name: 'mesh with a path length, not trusted', chain: bound, authorities: untrusted, budget },
    {
      name: 'mesh with name constraints, not trusted',
      chain: named,
      authorities: untrusted,
      budget,
    },
    { name: 'mesh of 4, not trusted', chain: plain.slice(0, 16), authorities: untrusted },
  ]
}

async function lookAlikes(): Promise<Case[]> {
  const template = { subject: 'O=SPIFFE', ...NO_KEY_IDS }
  const [root, dearRoot] = await authorities(2, { subject: 'O=root' })
  const right = await root!.mintCa(template)
  const leaf = await leafOf(right, NO_KEY_IDS)
  const many = await authorities(220, template)
  const dear = await authorities(15, { ...template, keyType: 'ec-p521' })
  return [
    {
      name: '100 look-alikes in the chain',
      chain: [leaf, ...many.slice(0, 100).map(({ der }) => der), right.der],
      authorities: [root!.certificate],
      budget: WHOLE_MESSAGE,
    },
    {
      name: '100 KB of look-alikes in the bundle',
      chain: [await leafOf(many.at(-1)!, NO_KEY_IDS)],
      authorities: certificatesOf(many),
    },
    {
      name: '15 look-alikes with P-521, not trusted',
      chain: [leaf, ...dear.map(({ der }) => der)],
      authorities: [dearRoot!.certificate],
    },
  ]
}

async function longChain(name: string, issuers: number, newKeyPair: () => KeyPair): Promise<Case> {
  const root = await mintRootCa(DOMAIN, { keyPair: newKeyPair() })
  let ca = root
  for (let step = 1; step < issuers; step += 1) ca = await ca.mintCa({ keyPair: newKeyPair() })
  return { name, chain: [await leafOf(ca), ...ca.chain], authorities: [root.certificate] }
}

async function longChains(): Promise<Case[]> {
  const large = rsaKeyPair(8192)
  return [
    await longChain('chain of 2, P-256', 2, () => keyPairOn('P-256')),
    await longChain('chain of 16, P-256', 16, () => keyPairOn('P-256')),
    await longChain('chain of 16, P-384', 16, () => keyPairOn('P-384')),
    await longChain('chain of 16, P-521', 16, () => keyPairOn('P-521')),
    await longChain('chain of 16, RSA-2048', 16, () => rsaKeyPair(2048)),
    await longChain('chain of 2, RSA-8192', 2, () => large),
  ]
}

async function largeBundle(): Promise<Case> {
  const many = await authorities(3000, { keyPair: keyPairOn('P-256') })
  const chain = [await leafOf(many.at(-1)!)]
  return { name: '3,000 authorities', chain, authorities: certificatesOf(many) }
}

const hosts = (count: number): string[] =>
  Array.from({ length: count }, (_, index) => `h${index}.test`)

/** Names and constraints that fill a message between them. */
async function manyNames(): Promise<Case> {
  const [root] = await authorities(1)
  const names = { excludedUris: hosts(1300) }
  const ca = await root!.mintCa({ nameConstraints: names })
  const leaf = await leafOf(ca, { dnsNames: hosts(1300) })
  return {
    name: 'many names and constraints',
    chain: [leaf, ca.der],
    authorities: [root!.certificate],
  }
}

function measure({ chain, authorities: own, budget = {} }: Case): [code: string, time: Spread] {
  const bundles = BundleSet.of(X509Bundle.of(DOMAIN, own))
  const times: number[] = []
  let code = ''
  for (let round = -WARM_UP_ROUNDS; round < ROUNDS; round += 1) {
    // As a connection brings them: never seen before.
    const sent = chain.map((der) => new X509Certificate(der))
    const before = process.cpuUsage()
    const outcome = verifyX509Svid(sent, bundles, { budget })
    const { user, system } = process.cpuUsage(before)
    code = outcome.ok ? 'accepted' : outcome.code
    if (round >= 0) times.push((user + system) / 1000)
  }
  return [code, spread(times)]
}

console.log(
  `Node ${process.version}, ms of CPU for one verification, median (largest) of ${ROUNDS}`,
)
for (const make of [longChains, lookAlikes, meshes, manyNames, largeBundle]) {
  for (const one of [await make()].flat()) {
    const [code, { median, max }] = measure(one)
    const ms = `${median.toFixed(1)} (${max.toFixed(1)})`
    console.log(`${one.name.padEnd(42)} ${code.padEnd(16)} ${ms.padStart(14)}`)
  }
}
