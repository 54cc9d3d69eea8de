import { execFile } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import type { RevocationListTemplate } from '@fastify-spiffe/authority'
import { BundleSet, RevocationList, verifyX509Svid, X509Bundle } from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, expect, test } from '@jest/globals'

const HOUR_MS = 3_600_000
/** The numbers of X509_STORE_CTX_get_error(3). */
const REVOKED = '23'
const NO_LIST = ['3', '8', '12'] // none found, its signature fails, it has expired

/** In what state the list of a CA may be. */
const states = ['none', 'good', 'revoking', 'expired', 'forged', 'older beside newer'] as const
type State = (typeof states)[number]

let folder: string

beforeAll(async () => {
  folder = await mkdtemp(join(tmpdir(), 'fastify-spiffe-revocation-'))
})

afterAll(() => rm(folder, { recursive: true, force: true }))

const pem = (label: string, ders: readonly Uint8Array[]): string =>
  ders
    .map((der) => {
      const body = Buffer.from(der)
        .toString('base64')
        .replaceAll(/.{1,64}/g, '$&\n')
      return `-----BEGIN ${label}-----\n${body}-----END ${label}-----\n`
    })
    .join('')

const listsOf = async (ca: MintedCa, serialNumber: string, state: State): Promise<Buffer[]> => {
  const revoked = [serialNumber]
  const now = Date.now()
  const shapes: Readonly<Record<State, readonly RevocationListTemplate[]>> = {
    none: [],
    good: [{}],
    revoking: [{ revoked }],
    expired: [{ revoked, thisUpdate: now - 2 * HOUR_MS, nextUpdate: now - HOUR_MS }],
    forged: [{ revoked, corruptSignature: true }],
    'older beside newer': [{ thisUpdate: now - HOUR_MS }, { revoked }],
  }
  return Promise.all(shapes[state].map((template) => ca.mintRevocationList(template)))
}

/** The numbers of all errors, none when the chain is good. */
const askOpenssl = async (files: Record<string, string>): Promise<readonly string[]> => {
  const args = [
    'verify',
    '-x509_strict',
    '-crl_check_all',
    '-no-CAfile',
    '-no-CApath',
    '-no-CAstore',
  ]
  for (const [option, content] of Object.entries(files)) {
    if (content === '') continue
    await writeFile(join(folder, option), content)
    if (option !== 'leaf') args.push(`-${option}`, join(folder, option))
  }
  return new Promise((resolve) => {
    execFile('openssl', [...args, join(folder, 'leaf')], (error, stdout, stderr) => {
      const codes = [...`${stdout}${stderr}`.matchAll(/^error (\d+) at/gm)].map(
        (match) => match[1]!,
      )
      resolve(error === null ? [] : codes.length > 0 ? codes : ['unreadable'])
    })
  })
}

const ours = (root: MintedCa, minted: MintedCertificate, lists: readonly Buffer[]): string => {
  const parsed = lists.map((der) => RevocationList.fromDer(der))
  const bundle = X509Bundle.of(root.trustDomain, [root.certificate], parsed)
  const { certificates } = minted.toX509Svid()
  const verification = verifyX509Svid(certificates, BundleSet.of(bundle), { revocation: 'strict' })
  return verification.ok ? 'accepted' : verification.code
}

/** Each names one reason: OpenSSL that of the leaf first, we that of the authority's own list. */
const agrees = (verdict: string, codes: readonly string[], isOneReason: boolean): boolean => {
  if (verdict === 'accepted' || codes.length === 0 || !isOneReason) {
    return (verdict === 'accepted') === (codes.length === 0)
  }
  const known = verdict === 'revoked' ? [REVOKED] : NO_LIST
  return known.some((code) => codes.includes(code))
}

test('strict revocation is what openssl verify -crl_check_all says, for every state of the lists', async () => {
  const root = await mintRootCa('example.org')
  const middle = await root.mintCa()
  const minted = await middle.mint('spiffe://example.org/web')
  const serialOfLeaf = minted.toX509Svid().leaf.serialNumber
  const seen = new Set<string>()
  const disagreements: string[] = []
  for (const ofRoot of states) {
    for (const ofMiddle of states) {
      const lists = [
        ...(await listsOf(root, middle.certificate.serialNumber, ofRoot)),
        ...(await listsOf(middle, serialOfLeaf, ofMiddle)),
      ]
      const codes = await askOpenssl({
        leaf: pem('CERTIFICATE', [minted.chain[0]!]),
        untrusted: pem('CERTIFICATE', [middle.der]),
        trusted: root.certificatePem,
        CRLfile: pem('X509 CRL', lists),
      })
      const verdict = ours(root, minted, lists)
      const isOneReason = ofRoot === 'good' || ofMiddle === 'good'
      if (!agrees(verdict, codes, isOneReason)) {
        disagreements.push([ofRoot, ofMiddle, verdict, ...codes].join(', '))
      }
      seen.add(verdict)
    }
  }
  expect(disagreements).toEqual([])
  expect([...seen].toSorted()).toEqual(['accepted', 'revocation-unknown', 'revoked'])
})
