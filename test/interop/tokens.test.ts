import { Authority } from '@fastify-spiffe/authority'
import { Bundle, JwtBundle, TrustDomain } from '@fastify-spiffe/spiffe'
import type { BundleSet, JwtAuthority } from '@fastify-spiffe/spiffe'
import { verifyJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'
import { JwtSource } from '@fastify-spiffe/workload-api'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import type { TokenAnswer, TokenPeer, TokenRole } from './peer.ts'
import { goSpiffe } from './go-spiffe/peer.ts'
import { javaSpiffe } from './java-spiffe/peer.ts'
import { pySpiffe } from './py-spiffe/peer.ts'
import { rustSpiffe } from './rust-spiffe/peer.ts'
import { prepare } from './support/preparation.ts'
import { AUDIENCE, startTokenScene, type TokenScene } from './support/token-scene.ts'
import { OURS, PARTNER, THEIRS } from './support/scene.ts'

const DEVELOPER = 'spiffe://dev.test/acme/web'

let scene: TokenScene

beforeAll(async () => {
  scene = await startTokenScene()
})

afterAll(async () => {
  await scene?.[Symbol.asyncDispose]()
})

for (const peer of [goSpiffe, javaSpiffe, pySpiffe, rustSpiffe]) {
  const preparation = await prepare(peer)
  if (preparation.state === 'ready') {
    const { version, tokens } = preparation.program
    describe(`${peer.name} ${version}`, () => {
      describe('with JWT-SVIDs of SPIRE', () => testOnSpire(tokens!))
      describe('with JWT-SVIDs of ours', () => testOnOurs(tokens!))
    })
  } else if (preparation.state === 'left out') {
    describe(peer.name, () => test.skip(`left out: ${preparation.reason}`, () => {}))
  } else {
    describe(peer.name, () => {
      test('can be built and started', () => {
        throw preparation.error
      })
    })
  }
}

function testOnSpire(role: TokenRole): void {
  let theirs: TokenPeer
  let partner: TokenPeer

  beforeAll(() => {
    theirs = role.start(scene.workloads.theirs.address)
    partner = role.start(scene.workloads.partner.address)
  })

  afterAll(async () => {
    for (const each of [theirs, partner]) await each?.[Symbol.asyncDispose]()
  })

  test('fetches a token, and we accept it, also as Bearer of a call', async () => {
    const token = tokenIn(await theirs.ask({ do: 'fetch', audience: AUDIENCE }))

    expect(await ourVerdict(token, scene.source.jwtBundles)).toBe(THEIRS)
    expect(await ourVerdict(token, scene.source.jwtBundles, 'billing')).toBe('wrong-audience')
    expect(await ourVerdict(spoiled(token), scene.source.jwtBundles)).toBe('bad-signature')
    expect(await scene.service.callWith(token)).toBe(THEIRS)
    expect(await scene.service.callWith(spoiled(token))).toBe('401')
  })

  test('fetches a token in a federated trust domain, and we accept it', async () => {
    const token = tokenIn(await partner.ask({ do: 'fetch', audience: AUDIENCE }))

    expect(await ourVerdict(token, scene.source.jwtBundles)).toBe(PARTNER)
    expect(await scene.service.callWith(token)).toBe(PARTNER)
  })

  test('accepts our token, in our trust domain and in a federated one', async () => {
    const token = await ourToken()
    const question = { do: 'check', token, audience: AUDIENCE } as const

    expect(await theirs.ask(question)).toEqual({ id: OURS })
    expect(await partner.ask(question)).toEqual({ id: OURS })
  })

  test('refuses our token for another audience, with another signature, and of a foreign trust domain', async () => {
    const token = await ourToken()
    const foreign = await scene.foreign.mintJwtSvid('spiffe://b.test/acme/web', AUDIENCE)

    expect(await ourVerdict(foreign, scene.source.jwtBundles)).toBe('unknown-trust-domain')
    for (const question of [
      { token, audience: 'billing' },
      { token: spoiled(token), audience: AUDIENCE },
      { token: foreign, audience: AUDIENCE },
    ]) {
      expect(await theirs.ask({ do: 'check', ...question })).toEqual(refusal)
    }
  })
}

function testOnOurs(role: TokenRole): void {
  test('reads the JWT authorities of the bundles that we write, of every type of key', async () => {
    await using peer = role.start()
    const authorities: JwtAuthority[] = []
    for (const jwtKeyType of ['ec-p256', 'ec-p384', 'ec-p521', 'rsa-2048'] as const) {
      await using authority = await Authority.create({ trustDomain: 'dev.test', jwtKeyType })
      authorities.push(...authority.jwt.bundle.authorities)
    }
    const trustDomain = TrustDomain.parse('dev.test')
    const jwt = JwtBundle.of(trustDomain, authorities)
    const names = authorities.map(({ keyId }) => keyId).toSorted()
    const written = Bundle.of(trustDomain, { jwt, sequence: 2n ** 53n + 1n, refreshHintMs: 60_000 })
    const bundle = written.stringify()
    const answer = await peer.ask({ do: 'read', trustDomain: 'dev.test', bundle })
    expect(answer.jwt).toEqual(names)
    // Who knows SPIFFE bundles, and not the key sets of the Workload API alone, tells the rest of it too.
    if (answer.x509 !== undefined) {
      expect(answer).toMatchObject({ x509: [], sequence: '9007199254740993', refreshHint: 60 })
    }
  })

  for (const jwtKeyType of ['ec-p256', 'ec-p384', 'rsa-2048'] as const) {
    test(`accepts our tokens of ${jwtKeyType} until their authority is revoked, and we those that it fetches`, async () => {
      await using authority = await Authority.create({ trustDomain: 'dev.test', jwtKeyType })
      const place = role.needsTcp ? { tcpPort: 0 } : {}
      const endpoint = await authority.serve({ spiffeId: DEVELOPER, ...place })
      await using source = await JwtSource.open({ address: endpoint.address })
      await using peer = role.start(endpoint.address)

      const old = (await source.fetchJwtSvid({ audience: AUDIENCE })).token
      expect(await peer.ask({ do: 'check', token: old, audience: AUDIENCE })).toEqual({
        id: DEVELOPER,
      })
      await authority.jwt.rotateAuthority()
      await authority.jwt.removeAuthority()
      while (source.jwtBundles.get(authority.trustDomain)?.equals(authority.jwt.bundle) !== true) {
        await source.nextUpdate()
      }
      expect(await peer.ask({ do: 'check', token: old, audience: AUDIENCE })).toEqual(refusal)
      expect(await ourVerdict(old, source.jwtBundles)).toBe('unknown-key')
      const fetched = tokenIn(await peer.ask({ do: 'fetch', audience: AUDIENCE }))
      expect(await ourVerdict(fetched, source.jwtBundles)).toBe(DEVELOPER)
    })
  }
}

/** What `toEqual` compares with any refusal. */
const refusal: TokenAnswer = { error: expect.any(String) as unknown as string }

async function ourToken(): Promise<string> {
  return (await scene.source.fetchJwtSvid({ audience: AUDIENCE })).token
}

/** The SPIFFE ID of a token that we accept, or the code of our refusal. */
async function ourVerdict(
  token: string,
  bundles: BundleSet<JwtBundle>,
  audience: string = AUDIENCE,
): Promise<string> {
  const verification = await verifyJwtSvid(token, bundles, { audience })
  return verification.ok ? verification.svid.spiffeId.toString() : verification.code
}

function tokenIn({ token, error }: TokenAnswer): string {
  if (token === undefined) throw new Error(`there is no token: ${error}`)
  return token
}

/** The same with another first octet of its signature. */
function spoiled(token: string): string {
  const [header, claims, signature = ''] = token.split('.')
  return `${header}.${claims}.${signature.startsWith('A') ? 'B' : 'A'}${signature.slice(1)}`
}
