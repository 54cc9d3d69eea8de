import { createPublicKey } from 'node:crypto'
import {
  BundleSet,
  stringifyBundleMap,
  Bundle,
  TrustDomain,
  X509Bundle,
  type JwtBundle,
} from '@fastify-spiffe/spiffe'
import { FileSourceError } from '@fastify-spiffe/file-source'
import {
  Contents,
  parseMaterial,
  readFiles,
  type Bundles,
  type Material,
} from '@fastify-spiffe/file-source/internal'
import * as fc from 'fast-check'
import { readCorpus } from '../corpus/corpus.ts'
import { edited, edits } from '../support/mutation.ts'
import { outcomeOf } from '../support/own-error.ts'
import { check, type Target } from '../support/target.ts'

interface Input {
  readonly svid: Uint8Array
  readonly key: Uint8Array
  readonly bundle: Uint8Array
  readonly foreign: Uint8Array
  readonly manifest: Uint8Array
}

const NAMES = ['svid', 'key', 'bundle', 'foreign', 'manifest'] as const
const FOREIGN = TrustDomain.parse('foreign.test')
const MANIFEST = NAMES.slice(0, 4)
  .map((name) => `${'0'.repeat(64)}  ${name}\n`)
  .join('')

const files = readFiles({
  directory: '/certs',
  svid: 'svid',
  key: 'key',
  bundle: 'bundle',
  bundles: { [FOREIGN.name]: 'foreign' },
})
const withManifest = readFiles({
  directory: '/certs',
  svid: 'svid',
  key: 'key',
  bundle: 'bundle',
  bundles: { [FOREIGN.name]: 'foreign' },
  manifest: { file: 'manifest' },
})

/** Sets of files, of which some are spoilt, exchanged, or of another kind. */
export function openFileSets(): Target<Input> {
  const { pems, chains } = readCorpus()
  const [certificates, key] = pems as [Buffer, Buffer]
  const { authority, trustDomain } = chains[0]!
  const x509 = X509Bundle.fromDer(TrustDomain.parse(trustDomain), authority)
  const own = Bundle.of(x509.trustDomain, { x509 })
  const held: Bundles = {
    x509: BundleSet.of(X509Bundle.fromDer(FOREIGN, authority)),
    jwt: BundleSet.of<JwtBundle>(),
  }
  const bases = [
    certificates,
    key,
    authority,
    Buffer.from(own.stringify()),
    Buffer.from(stringifyBundleMap(BundleSet.of(own))),
    Buffer.from(MANIFEST),
    Buffer.alloc(0),
  ]
  const anything = fc.oneof(fc.constantFrom(...bases), fc.uint8Array({ maxLength: 100 }))
  const file = (good: Uint8Array): fc.Arbitrary<Uint8Array> =>
    fc.oneof(
      { weight: 6, arbitrary: fc.constant(good) },
      { weight: 3, arbitrary: edits.map((changes) => edited(good, changes)) },
      { weight: 1, arbitrary: anything },
    )
  return {
    inputs: fc.record({
      svid: file(certificates),
      key: file(key),
      bundle: fc.constantFrom(...bases.slice(2, 5)).chain(file),
      foreign: file(authority),
      manifest: file(Buffer.from(MANIFEST)),
    }),
    read: (input) => {
      const contents = Contents.of(
        new Map(NAMES.map((name) => [`/certs/${name}`, Buffer.from(input[name])])),
      )
      // Its digests are never right.
      const refused = outcomeOf(FileSourceError, () => parseMaterial(withManifest, contents, held))
      check(refused !== 'accepted', 'a manifest of other files is accepted')
      return outcomeOf(FileSourceError, () => {
        const material = parseMaterial(files, contents, held)
        assertWhole(material, held)
        const again = parseMaterial(files, contents, held)
        check(again.svid.equals(material.svid), 'read twice, the SVID differs')
        check(again.bundles.x509.equals(material.bundles.x509), 'read twice, the bundles differ')
      })
    },
    bytesOf: (input) => Buffer.concat(NAMES.map((name) => input[name])),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

function assertWhole({ svid, bundles, problems }: Material, held: Bundles): void {
  const spki = createPublicKey(svid.exportPrivateKeyPem()).export({ format: 'der', type: 'spki' })
  check(spki.equals(svid.leaf.publicKey.spki), 'the key is not that of the certificate')
  const foreign = bundles.x509.get(FOREIGN)
  check(foreign !== undefined, 'the bundle of another trust domain is lost')
  check(
    problems.length === 0 || foreign === held.x509.get(FOREIGN),
    'a bad file of another trust domain changed what was held of it',
  )
}
