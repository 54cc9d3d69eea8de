import { afterEach, describe, expect, test } from '@jest/globals'
import { Bundle, BundleSet, type JwtBundle } from '@fastify-spiffe/spiffe'
import { verifyJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'
import { Authority } from './authority.ts'
import { ManualTime, START } from './manual-time.test.helper.ts'
import type { AuthorityOptions } from './settings.ts'

const WEB = 'spiffe://example.org/web'
const HOUR = 3_600_000

const opened: Authority[] = []

function failing(code: string): object {
  return expect.objectContaining({ code })
}

async function open(options: Partial<AuthorityOptions> = {}): Promise<Authority> {
  const authority = await Authority.create({ trustDomain: 'example.org', ...options })
  opened.push(authority)
  return authority
}

afterEach(async () => {
  await Promise.all(opened.splice(0).map((authority) => authority.close()))
})

function states({ jwt }: Authority): string[] {
  return jwt.authorities.map(({ state }) => state)
}

/** What becomes of a token: `ok`, or the code of the refusal. */
async function verdict(
  token: string,
  bundles: BundleSet<JwtBundle>,
  clock = Date.now,
): Promise<string> {
  const verification = await verifyJwtSvid(token, bundles, { audience: 'orders', clock })
  return verification.ok ? 'ok' : verification.code
}

describe('the issuer of JWT-SVIDs', () => {
  test.each([
    [undefined, 'ES256'],
    ['ec-p384', 'ES384'],
    ['ec-p521', 'ES512'],
    ['rsa-2048', 'RS256'],
  ] as const)('with keys of type %s signs %s, as its bundle allows', async (jwtKeyType, alg) => {
    const { jwt } = await open(jwtKeyType === undefined ? {} : { jwtKeyType })
    const { token } = jwt.issueJwtSvid(WEB, { audience: 'orders' })
    const header = JSON.parse(Buffer.from(token.split('.')[0]!, 'base64url').toString())
    expect(header).toEqual({ alg, kid: jwt.authorities[0]!.id, typ: 'JWT' })
    expect(await verdict(token, BundleSet.of(jwt.bundle))).toBe('ok')
  })

  test('says what SPIRE says: sub, aud as a list, iat, and exp five minutes later', async () => {
    const time = new ManualTime()
    const { jwt } = await open(time.options)
    const { token } = jwt.issueJwtSvid(WEB, { audience: 'orders' })
    const claims = JSON.parse(Buffer.from(token.split('.')[1]!, 'base64url').toString())
    expect(claims).toEqual({
      sub: WEB,
      aud: ['orders'],
      iat: START / 1000,
      exp: START / 1000 + 300,
    })
  })

  test('lets no token outlive the authority that signs it', async () => {
    const time = new ManualTime()
    const options = { jwtSvidTtlMs: 2 * HOUR, authorityTtlMs: HOUR }
    const { jwt } = await open({ ...options, ...time.options })
    expect(jwt.issueJwtSvid(WEB, { audience: 'orders' }).expiresAt).toBe(START + HOUR)
  })

  test('issues for its own trust domain, and mints anything', async () => {
    const { jwt } = await open()
    const foreign = 'spiffe://b.test/web'
    expect(() => jwt.issueJwtSvid(foreign, { audience: 'orders' })).toThrow(
      expect.objectContaining({ code: 'foreign-spiffe-id' }),
    )
    const bundles = BundleSet.of(jwt.bundle)
    const bad: readonly [string, string][] = [
      [jwt.mint(foreign, { audience: 'orders' }), 'unknown-trust-domain'],
      [jwt.mint('web', { audience: 'orders' }), 'invalid-spiffe-id'],
      [jwt.mint(WEB, { audience: 'ledger' }), 'wrong-audience'],
      [jwt.mint(WEB, { audience: 'orders', ttlMs: -1_000 }), 'expired'],
      [jwt.mint(WEB, { audience: 'orders', corruptSignature: true }), 'bad-signature'],
      [jwt.mint(WEB, { audience: 'orders', header: { typ: 'at+jwt' } }), 'type-not-allowed'],
      [jwt.mint(WEB, { audience: 'orders', header: { kid: undefined } }), 'ok'],
      [jwt.mint(WEB, { audience: 'orders', claims: { exp: undefined } }), 'missing-claim'],
    ]
    for (const [token, code] of bad) expect(await verdict(token, bundles)).toBe(code)
  })

  test('refuses options that make no sense', async () => {
    const { jwt } = await open()
    const refused = [{ audience: '' }, { audience: [] }, { audience: 'a', ttlMs: Number.NaN }]
    for (const template of refused) {
      expect(() => jwt.mint(WEB, template)).toThrow(
        expect.objectContaining({ code: 'invalid-option' }),
      )
    }
    const misspelt = { audience: 'a', audiences: 'b' }
    expect(() => jwt.mint(WEB, misspelt)).toThrow(
      expect.objectContaining({ code: 'unknown-option' }),
    )
    await expect(open({ jwtKeyType: 'ed25519' as 'ec-p256' })).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })

  test('rotates its keys in the steps of SPIRE, without a gap', async () => {
    const authority = await open()
    const { jwt } = authority
    const old = jwt.issueJwtSvid(WEB, { audience: 'orders' }).token
    const id = await jwt.addAuthority()
    expect(states(authority)).toEqual(['active', 'prepared'])
    expect(jwt.issueJwtSvid(WEB, { audience: 'orders' }).keyId).not.toBe(id)
    await jwt.activateAuthority(id)
    expect(states(authority)).toEqual(['old', 'active'])
    const fresh = jwt.issueJwtSvid(WEB, { audience: 'orders' })
    expect(fresh.keyId).toBe(id)
    expect(await verdict(old, BundleSet.of(jwt.bundle))).toBe('ok')
    await jwt.removeAuthority()
    expect(states(authority)).toEqual(['active'])
    expect(await verdict(old, BundleSet.of(jwt.bundle))).toBe('unknown-key')
    expect(await verdict(fresh.token, BundleSet.of(jwt.bundle))).toBe('ok')
    await expect(jwt.removeAuthority(id)).rejects.toMatchObject({ code: 'authority-active' })
  })

  test('renews its keys by itself, as those that sign certificates', async () => {
    const time = new ManualTime()
    const authority = await open({ ...time.options, authorityTtlMs: HOUR })
    const [first] = authority.jwt.authorities
    const renewal = async (ms: number): Promise<string[]> => {
      const renewed = authority.nextUpdate()
      time.advance(ms)
      await renewed
      return states(authority)
    }
    expect(await renewal(HOUR / 2)).toEqual(['active', 'prepared'])
    expect(await renewal(HOUR / 3)).toEqual(['old', 'active'])
    expect(await renewal(HOUR / 6 + 1)).toEqual(['active', 'prepared'])
    expect(authority.jwt.authorities.map(({ id }) => id)).not.toContain(first!.id)
    expect(authority.jwt.bundle.find(first!.id)).toBeUndefined()
  })

  test('refuses once the authority is closed', async () => {
    const authority = await open()
    await authority.close()
    const closed = expect.objectContaining({ code: 'closed' })
    expect(() => authority.jwt.issueJwtSvid(WEB, { audience: 'orders' })).toThrow(closed)
    await expect(authority.jwt.addAuthority()).rejects.toEqual(closed)
  })
})

describe('a source in the process', () => {
  test('has tokens and bundles, own and federated, and follows their rotation', async () => {
    const [authority, other] = [await open(), await open({ trustDomain: 'b.test' })]
    const [here, there] = [
      await authority.source(WEB, { hint: 'internal' }),
      await other.source('spiffe://b.test/api'),
    ]
    other.federate(authority)
    const svid = await here.fetchJwtSvid({ audience: 'orders', hint: 'internal' })
    expect(svid).toMatchObject({ hint: 'internal', audience: ['orders'] })
    expect(await verdict(svid.token, there.jwtBundles)).toBe('ok')
    await authority.jwt.rotateAuthority()
    await authority.jwt.removeAuthority()
    expect(await verdict(svid.token, there.jwtBundles)).toBe('unknown-key')
    const { token } = await here.fetchJwtSvid({ audience: 'orders' })
    expect(await verdict(token, there.jwtBundles)).toBe('ok')
    other.unfederate(authority)
    expect(await verdict(token, there.jwtBundles)).toBe('unknown-trust-domain')
  })

  test('takes both bundles of a trust domain that comes as one', async () => {
    const [authority, other] = [await open(), await open({ trustDomain: 'b.test' })]
    const { trustDomain, bundle, jwt } = other
    authority.federate(Bundle.of(trustDomain, { x509: bundle, jwt: jwt.bundle }))
    const source = await authority.source(WEB)
    expect(source.jwtBundles.get(trustDomain)?.equals(jwt.bundle)).toBe(true)
    expect(source.bundles.get(trustDomain)?.equals(bundle)).toBe(true)
  })

  test('fails on demand, and for an identity that it does not have', async () => {
    const authority = await open()
    const source = await authority.source(WEB)
    const fetched = (more: object = {}): Promise<unknown> =>
      source.fetchJwtSvid({ audience: 'orders', ...more })
    await expect(fetched({ spiffeId: WEB })).resolves.toBeDefined()
    await expect(fetched({ spiffeId: `${WEB}/other` })).rejects.toEqual(failing('no-identity'))
    await expect(fetched({ hint: 'external' })).rejects.toEqual(failing('no-identity'))
    await expect(fetched({ audience: '' })).rejects.toEqual(failing('invalid-option'))
    await expect(fetched({ signal: AbortSignal.abort('enough') })).rejects.toBe('enough')
    source.deny()
    await expect(fetched()).rejects.toEqual(failing('no-identity'))
    source.allow()
    source.interrupt()
    await expect(fetched()).rejects.toEqual(failing('unavailable'))
    source.resume()
    await source.close()
    await expect(fetched()).rejects.toEqual(failing('closed'))
  })
})
