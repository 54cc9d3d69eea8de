import { mintRootCa } from '@fastify-spiffe/authority'
import { expect, test } from '@jest/globals'
import { bundlesOf, HeldSource } from '../loopback.test.helper.ts'
import { revocationPolicies } from '../options.ts'
import { PeerVerifier } from './verifier.ts'

const WEB_ID = 'spiffe://example.org/acme/web'

/** A verifier, and what verifies two certificates of one workload. */
async function verified() {
  const authority = await mintRootCa('example.org')
  const source = new HeldSource((await authority.mint(WEB_ID)).toX509Svid(), bundlesOf(authority))
  const verifier = new PeerVerifier(source, revocationPolicies(undefined), 10)
  const peerOf = async (dnsNames: string[], ipAddresses: string[] = []) => {
    const [leaf] = (await authority.mint(WEB_ID, { dnsNames, ipAddresses })).toX509Svid()
      .certificates
    const accept = () => verifier.verify(leaf!.x509, Date.now())
    const verdict = accept()
    if (!verdict.ok) throw new Error(verdict.code)
    return { peer: verdict.peer, accept }
  }
  return { peerOf }
}

test('a peer has the names of its own certificate', async () => {
  const { peerOf } = await verified()
  const { peer } = await peerOf(['Web.example.org', '*.acme.test'], ['192.0.2.1', '2001:db8::1'])
  expect(peer.subjectAltNames).toMatchObject({
    dns: ['*.acme.test', 'web.example.org'],
    ip: ['192.0.2.1', '2001:db8::1'],
    uri: [WEB_ID],
  })
  const { peer: other } = await peerOf([])
  expect(other.spiffeId.equals(peer.spiffeId)).toBe(true)
  expect(other.subjectAltNames).toMatchObject({ dns: [], ip: [], uri: [WEB_ID] })
})

test('the names are read once for each certificate, and are no part of the JSON', async () => {
  const { peerOf } = await verified()
  const { peer, accept } = await peerOf(['web.example.org'])
  expect(accept()).toMatchObject({ ok: true, peer })
  expect(peer.subjectAltNames).toBe(peer.subjectAltNames)
  expect(JSON.stringify(peer)).not.toContain('web.example.org')
})

test('a certificate with more than 256 names has none that count', async () => {
  const { peerOf } = await verified()
  const names = Array.from({ length: 256 }, (_, index) => `n${index}.example.org`)
  expect((await peerOf(names)).peer.subjectAltNames).toBeNull()
  expect((await peerOf(names.slice(1))).peer.subjectAltNames?.dns).toHaveLength(255)
})
