import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { askBundle, readServed, type ServedBundle } from '../driver/bundle-client.ts'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import type { Harness } from '../driver/harness.ts'
import { entry, federated } from '../driver/scripted-agent.ts'
import { Signer } from '../driver/signer.ts'
import { until } from '../driver/timing.ts'
import { TokenAgent } from '../driver/token-agent.ts'
import { FOLLOW_MS, untilPresented } from '../driver/watch.ts'
import { expectEqual, expectThat, Failure, type ConformanceCase } from '../suite/case.ts'
import { FOREIGN_DOMAIN } from './peer-case.ts'
import { renew, servingParts, type PartScene } from './part-scene.ts'

/** Members of a JSON Web Key that are public (RFC 7518 §6), and those of the SPIFFE bundle format. */
const PUBLIC = new Set(['kty', 'crv', 'x', 'y', 'n', 'e', 'use', 'kid', 'alg', 'x5c'])

async function served({ harness }: PartScene): Promise<ServedBundle> {
  const answer = await askBundle(harness.bundlePort)
  expectEqual(answer.status, 200, 'the status')
  return readServed(answer.body)
}

const sorted = (all: readonly unknown[]): string => JSON.stringify(all.map(String).toSorted())

/** Says that these, and no others, are the X.509 authorities of a bundle. */
function expectAuthorities({ keys }: ServedBundle, ...authorities: readonly MintedCa[]): void {
  const certificates = keys.flatMap(({ use, x5c }) => (use === 'x509-svid' ? [x5c].flat() : []))
  const wanted = authorities.map(({ certificate }) => certificate.raw.toString('base64'))
  expectEqual(sorted(certificates), sorted(wanted), 'the X.509 authorities')
}

export const bundlePart: readonly ConformanceCase[] = [
  {
    name: 'BND-1',
    level: 'core',
    title: 'the own authorities are served, and those of no other trust domain',
    rule: 'SPIFFE Federation §4; X509-SVID §6.1, JWT-SVID §6.1 (39, 41, 42)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'bundle')
      const answer = await askBundle(scene.harness.bundlePort)
      expectEqual(answer.status, 200, 'the status')
      expectEqual(answer.header('content-type'), 'application/json', 'Content-Type')
      const bundle = readServed(answer.body)
      expectAuthorities(bundle, scene.home)
      const hint = bundle.refreshHint
      expectThat(Number.isInteger(hint) && Number(hint) > 0, `spiffe_refresh_hint: ${String(hint)}`)
      for (const key of bundle.keys) {
        expectThat(
          Object.keys(key).every((name) => PUBLIC.has(name)),
          `members of a key: ${Object.keys(key).join(', ')}`,
        )
        expectEqual('kid' in key, key['use'] === 'jwt-svid', 'whether a key has a kid')
      }
    },
  },
  {
    name: 'BND-2',
    level: 'core',
    title: 'the server proves its SPIFFE ID to clients with and without a certificate',
    rule: 'SPIFFE Federation §5.2.2.3 (51)',
    run: async (stage) => {
      const { home, harness, client } = await servingParts(stage, 'bundle')
      for (const material of [null, client]) {
        const { status, certificate } = await askBundle(harness.bundlePort, { material })
        expectEqual(status, 200, 'the status')
        expectEqual(certificate.subjectAltName, `URI:${HARNESS_ID}`, 'the server is')
        expectThat(certificate.verify(home.certificate.x509.publicKey), 'signed by somebody else')
      }
    },
  },
  {
    name: 'BND-3',
    level: 'recommended',
    title: 'HEAD has the headers and no body, and who has the bundle gets 304',
    rule: 'RFC 9110 §9.3.2, §13.1.2',
    run: async (stage) => {
      const { harness } = await servingParts(stage, 'bundle')
      const port = harness.bundlePort
      const get = await askBundle(port)
      const head = await askBundle(port, { method: 'HEAD' })
      for (const name of ['content-type', 'content-length', 'etag', 'cache-control']) {
        expectThat(get.header(name) !== null, `no ${name}`)
        expectEqual(head.header(name), get.header(name), `${name} of HEAD`)
      }
      expectEqual(head.body, '', 'the body of HEAD')
      const etag = String(get.header('etag'))
      const known = await askBundle(port, { headers: { 'if-none-match': etag } })
      expectEqual(known.status, 304, 'the status for who has the bundle')
      const other = await askBundle(port, { headers: { 'if-none-match': '"other"' } })
      expectEqual(other.status, 200, 'the status for who has another one')
    },
  },
  {
    name: 'BND-4',
    level: 'core',
    title: 'a change of the authorities is served, each with a higher sequence',
    rule: 'Trust Domain and Bundle §4.1.1 (43, 46)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'bundle')
      const first = await askBundle(scene.harness.bundlePort)
      const next = await mintRootCa('example.org')
      await renew(scene, scene.home, next)
      const headers = { 'if-none-match': String(first.header('etag')) }
      const changed = await askBundle(scene.harness.bundlePort, { headers })
      expectEqual(changed.status, 200, 'the status for who has the former bundle')
      const both = readServed(changed.body)
      expectAuthorities(both, scene.home, next)
      const before = readServed(first.body).sequence
      expectThat(both.sequence > before, `sequence ${both.sequence} after ${before}`)
      await renew(scene, scene.home)
      const last = await served(scene)
      expectAuthorities(last, scene.home)
      expectThat(last.sequence > both.sequence, `sequence ${last.sequence} after ${both.sequence}`)
    },
  },
  {
    name: 'BND-5',
    level: 'core',
    title: 'neither a new SVID nor a change of a federated bundle changes what is served',
    rule: 'Trust Domain and Bundle §4.1.1 (43)',
    run: async (stage) => {
      const scene = await servingParts(stage, 'bundle')
      const before = await askBundle(scene.harness.bundlePort)
      const svid = await scene.home.mint(HARNESS_ID)
      scene.agent.publish({
        svids: [entry(HARNESS_ID, svid, scene.home)],
        federated_bundles: federated(await mintRootCa(FOREIGN_DOMAIN)),
      })
      await untilPresented(scene.harness, scene.client, svid)
      const after = await askBundle(scene.harness.bundlePort)
      expectEqual(after.body, before.body, 'the bundle')
      const { raw } = after.certificate
      expectThat(
        svid.certificates.subarray(0, raw.length).equals(raw),
        'the SVID is the former one',
      )
    },
  },
  {
    name: 'BND-6',
    level: 'core',
    title: 'the own JWT authorities are served with their key IDs, and each change of them',
    rule: 'JWT-SVID §6.1; Trust Domain and Bundle §4.1.1 (42, 46)',
    run: async (stage) => {
      const agent = await stage.use(TokenAgent.open())
      const [one, two, foreign] = ['one', 'two', 'foreign'].map((name) => new Signer(name))
      agent.publish({ [TRUST_DOMAIN]: [one!], [FOREIGN_DOMAIN]: [foreign!] })
      const harness = await stage.startParts(agent, 'bundle')
      const before = await jwtKeys(harness)
      expectEqual(before.keyIds, 'one', 'the JWT authorities')
      agent.publish({ [TRUST_DOMAIN]: [one!, two!], [FOREIGN_DOMAIN]: [foreign!] })
      const grown = await until(
        () => jwtKeys(harness),
        ({ keyIds }) => keyIds !== 'one',
        FOLLOW_MS,
        () => new Failure(`the new authority is not served after ${FOLLOW_MS} ms`),
      )
      expectEqual(grown.keyIds, 'one two', 'the JWT authorities')
      expectThat(grown.sequence > before.sequence, `sequence ${grown.sequence}`)
    },
  },
]

/** The key IDs of the JWT authorities that are served, and the sequence. */
async function jwtKeys(harness: Harness): Promise<{ keyIds: string; sequence: bigint }> {
  const { status, body } = await askBundle(harness.bundlePort)
  expectEqual(status, 200, 'the status')
  const { keys, sequence } = readServed(body)
  const ids = keys.flatMap(({ use, kid }) => (use === 'jwt-svid' ? [String(kid)] : []))
  return { keyIds: ids.toSorted().join(' '), sequence }
}
