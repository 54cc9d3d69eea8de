import { RevocationList, type X509Bundle } from '@fastify-spiffe/spiffe'
import { afterEach, describe, expect, test } from '@jest/globals'
import { mintRootCa } from '../minting/mint-root-ca.ts'
import { Authority } from './authority.ts'
import { ManualTime, START } from './manual-time.test.helper.ts'
import type { AuthorityOptions } from './settings.ts'

const WEB = 'spiffe://example.org/web'
const MINUTE = 60_000

const opened: Authority[] = []

async function open(options: Partial<AuthorityOptions> = {}): Promise<Authority> {
  const authority = await Authority.create({ trustDomain: 'example.org', ...options })
  opened.push(authority)
  return authority
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((authority) => authority.close()))
})

/** The list of each authority of a bundle, which has signed it. */
const listsOf = (bundle: X509Bundle): (RevocationList | undefined)[] =>
  bundle.authorities.map((authority) =>
    bundle.revocationLists.find((list) => list.isSignedBy(authority)),
  )

describe('an authority', () => {
  test('has no revocation lists until it revokes something, as SPIRE', async () => {
    const authority = await open()
    await authority.rotateSvids()
    expect(authority.bundle.revocationLists).toEqual([])
  })

  test('revokes an SVID by a list that it signs, and tells everyone', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    const svid = await authority.issueX509Svid(WEB)
    const updated = source.nextUpdate()
    await authority.revoke(svid)
    await updated
    const [list] = listsOf(source.bundles.get(authority.trustDomain)!)
    expect(list?.has(svid.leaf.serialNumber)).toBe(true)
    expect(list?.has(source.svid!.leaf.serialNumber)).toBe(false)
    expect(list?.authorityKeyId).toBe(
      authority.bundle.authorities[0]!.extensions.subjectKeyId?.value,
    )
  })

  test('revokes by serial number, beside what it has revoked before', async () => {
    const authority = await open()
    await authority.revoke('0a')
    await authority.revoke('ff01')
    const [list] = listsOf(authority.bundle)
    expect([list?.has('0a'), list?.has('ff01'), list?.size]).toEqual([true, true, 2])
  })

  test.each(['', 'xyz', 'a', 'FF', '00'.repeat(21), '-01'])(
    'does not revoke %j, and goes on as before',
    async (serialNumber) => {
      const authority = await open()
      await expect(authority.revoke(serialNumber)).rejects.toMatchObject({ code: 'invalid-option' })
      await authority.rotateSvids()
      expect(authority.bundle.revocationLists).toEqual([])
    },
  )

  test('has a list of each CA from the start, intermediates included, when a life is set for them', async () => {
    const authority = await open({ revocationListTtlMs: 10 * MINUTE, intermediates: 1 })
    const { revocationLists, authorities } = authority.bundle
    expect(revocationLists.map(({ size }) => size)).toEqual([0, 0])
    const svid = await authority.issueX509Svid(WEB)
    const issuers = [authorities[0]!, svid.certificates[1]!]
    for (const issuer of issuers) {
      expect(revocationLists.filter((list) => list.isSignedBy(issuer))).toHaveLength(1)
    }
  })

  test('issues its lists anew at half of their life, and not with every change', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options, revocationListTtlMs: 10 * MINUTE })
    const [first] = authority.bundle.revocationLists
    expect(first).toMatchObject({ thisUpdate: START, nextUpdate: START + 10 * MINUTE })
    await authority.rotateSvids()
    expect(authority.bundle.revocationLists).toEqual([first])
    const updated = authority.nextUpdate()
    time.advance(5 * MINUTE)
    await updated
    expect(authority.bundle.revocationLists).toMatchObject([{ thisUpdate: START + 5 * MINUTE }])
  })

  test('has a list of each local authority that is in the bundle, and of no other', async () => {
    const authority = await open({ revocationListTtlMs: 10 * MINUTE })
    const id = await authority.addAuthority()
    expect(listsOf(authority.bundle)).not.toContain(undefined)
    await authority.activateAuthority(id)
    await authority.removeAuthority()
    expect(authority.bundle.revocationLists).toHaveLength(1)
    expect(listsOf(authority.bundle)).toEqual(authority.bundle.revocationLists)
  })

  test('gives its lists to those who federate with it', async () => {
    const [authority, other] = [await open(), await open({ trustDomain: 'other.test' })]
    other.federate(authority)
    const source = await other.source('spiffe://other.test/api')
    const updated = source.nextUpdate()
    await authority.revoke('01')
    await updated
    expect(source.bundles.get(authority.trustDomain)?.revocationLists).toHaveLength(1)
  })

  test.each([9_999, Number.NaN, 366 * 24 * 60 * MINUTE])(
    'refuses %d ms for the life of a list',
    async (revocationListTtlMs) => {
      await expect(open({ revocationListTtlMs })).rejects.toMatchObject({ code: 'invalid-option' })
    },
  )
})

describe('a minted revocation list', () => {
  test('is good for an hour, and empty, where the template is silent', async () => {
    const ca = await mintRootCa('example.org', {}, { clock: () => START })
    const list = RevocationList.fromDer(await ca.mintRevocationList())
    expect(list).toMatchObject({ thisUpdate: START, nextUpdate: START + 60 * MINUTE, size: 0 })
    expect(list.isSignedBy(ca.certificate)).toBe(true)
  })

  test.each(['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048', 'ed25519'] as const)(
    'is signed with a key of type %s',
    async (keyType) => {
      const ca = await mintRootCa('example.org', { keyType })
      const list = RevocationList.fromDer(await ca.mintRevocationList({ revoked: ['01'] }))
      expect(list.isSignedBy(ca.certificate)).toBe(true)
    },
  )

  test('is as bad as its template wants it', async () => {
    const [ca, other] = [await mintRootCa('example.org'), await mintRootCa('example.org')]
    for (const template of [
      { corruptSignature: true },
      { signedBy: other },
      { hash: 'SHA-1' } as const,
    ]) {
      const list = RevocationList.fromDer(await ca.mintRevocationList(template))
      expect(list.isSignedBy(ca.certificate)).toBe(false)
    }
    const extraExtensions = [{ oid: '2.5.29.28', critical: true, value: Buffer.from([0x30, 0x00]) }]
    const partial = await ca.mintRevocationList({ extraExtensions })
    expect(() => RevocationList.fromDer(partial)).toThrow(
      expect.objectContaining({ code: 'unsupported-revocation-list' }),
    )
  })

  test('with a misspelt template is not made', async () => {
    const ca = await mintRootCa('example.org')
    const misspelt = { revoked: [], nextupdate: 0 }
    await expect(ca.mintRevocationList(misspelt)).rejects.toMatchObject({ code: 'unknown-option' })
    await expect(ca.mintRevocationList({ thisUpdate: Number.NaN })).rejects.toMatchObject({
      code: 'unmintable',
    })
  })
})
