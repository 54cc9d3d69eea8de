// JWT-SVIDs verified by this project, by bare jose, and by fast-jwt, which @fastify/jwt uses, in one run.
import { generateKeyPairSync, sign, type KeyObject } from 'node:crypto'
import { BundleSet, JwtAuthority, JwtBundle, TrustDomain } from '@fastify-spiffe/spiffe'
import { JwtSvidVerifier } from '@fastify-spiffe/spiffe/jwt-svid'
import { createVerifier } from 'fast-jwt'
import { jwtVerify } from 'jose'
import { compareRequests } from './jwt/requests.ts'
import { spread } from './statistics.ts'

type Verify = (token: string) => unknown

/** What takes turns: each has one function for a round of fresh tokens, and one for tokens that it has seen. */
interface Contender {
  readonly name: string
  /** A verifier that has seen no token. */
  readonly open: () => { readonly fresh: Verify; readonly cached?: Verify }
}

const ROUNDS = 30
const DROPPED_ROUNDS = 3
const TOKENS = 300
const CACHED_PASSES = 60
const AUDIENCE = 'orders'
const ALGORITHMS = ['ES256', 'RS256'] as const

/** Microseconds for each token, by contender and round. */
interface Times {
  readonly fresh: Map<string, number[]>
  readonly cached: Map<string, number[]>
}

async function compare(algorithm: (typeof ALGORITHMS)[number]): Promise<void> {
  const pair = newKeyPair(algorithm)
  const contenders = contendersFor(algorithm, pair.publicKey)
  const times: Times = { fresh: byName(contenders), cached: byName(contenders) }
  for (let round = -DROPPED_ROUNDS; round < ROUNDS; round++) {
    const tokens = Array.from({ length: TOKENS }, (_, index) =>
      tokenOf(algorithm, pair.privateKey, `${round}-${index}`),
    )
    // Each is first as often as any other: the first one pays for what the tokens left behind.
    const first = (round + DROPPED_ROUNDS) % contenders.length
    const order = [...contenders.slice(first), ...contenders.slice(0, first)]
    for (const contender of order) {
      await measure(contender, tokens, round < 0 ? undefined : times)
    }
  }
  console.log(`\n${algorithm}, node ${process.version}`)
  for (const { name } of contenders) console.log(lineOf(name, times))
}

async function measure(
  { name, open }: Contender,
  tokens: readonly string[],
  times: Times | undefined,
): Promise<void> {
  const { fresh, cached } = open()
  const freshUs = await timePerToken(fresh, tokens)
  times?.fresh.get(name)?.push(freshUs)
  if (cached === undefined) return
  const cachedUs = await timePerToken(cached, tokens, CACHED_PASSES)
  times?.cached.get(name)?.push(cachedUs)
}

function lineOf(name: string, { fresh, cached }: Times): string {
  const baseline = fresh.get('jose') ?? []
  const own = fresh.get(name) ?? []
  const { median, min, max } = spread(own.map((time, index) => time / baseline[index]!))
  const range = `(${min.toFixed(2)} to ${max.toFixed(2)})`
  const line = `  ${name.padEnd(16)} fresh ${spread(own).median.toFixed(1)} µs of CPU, ${median.toFixed(3)} of bare jose ${range}`
  const remembered = cached.get(name) ?? []
  if (remembered.length === 0) return line
  return `${line}; cached ${(spread(remembered).median * 1000).toFixed(0)} ns`
}

function byName(contenders: readonly Contender[]): Map<string, number[]> {
  return new Map(contenders.map(({ name }) => [name, []]))
}

function newKeyPair(algorithm: string): { publicKey: KeyObject; privateKey: KeyObject } {
  return algorithm === 'ES256'
    ? generateKeyPairSync('ec', { namedCurve: 'P-256' })
    : generateKeyPairSync('rsa', { modulusLength: 2048 })
}

function contendersFor(algorithm: 'ES256' | 'RS256', publicKey: KeyObject): readonly Contender[] {
  const jwk = { ...publicKey.export({ format: 'jwk' }), kid: '1' }
  const trustDomain = TrustDomain.parse('example.org')
  const bundle = JwtBundle.of(trustDomain, [JwtAuthority.fromJwk(jwk)])
  const source = { jwtBundles: BundleSet.of(bundle) }
  const pem = String(publicKey.export({ format: 'pem', type: 'spki' }))
  return [
    {
      name: 'JwtSvidVerifier',
      open() {
        const verifier = new JwtSvidVerifier({ source, audience: AUDIENCE })
        return {
          fresh: (token) => verifier.verify(token),
          cached: (token) => verifier.cached(token),
        }
      },
    },
    {
      name: 'jose',
      open: () => ({
        fresh: (token) =>
          jwtVerify(token, publicKey, {
            algorithms: [algorithm],
            audience: AUDIENCE,
            requiredClaims: ['exp', 'sub', 'aud'],
          }),
      }),
    },
    {
      name: 'fast-jwt',
      open() {
        const options = { key: pem, algorithms: [algorithm], allowedAud: AUDIENCE }
        const verify = createVerifier({ ...options, cache: TOKENS * 2 })
        return { fresh: verify, cached: verify }
      },
    },
  ]
}

/** Microseconds of CPU, of all threads, for each token; one after the other. */
async function timePerToken(
  verify: Verify,
  tokens: readonly string[],
  passes = 1,
): Promise<number> {
  const began = process.cpuUsage()
  for (let pass = 0; pass < passes; pass++) {
    for (const token of tokens) {
      const verdict = verify(token)
      if (verdict instanceof Promise) await verdict
    }
  }
  const { user, system } = process.cpuUsage(began)
  return (user + system) / (tokens.length * passes)
}

function tokenOf(algorithm: string, privateKey: KeyObject, jti: string): string {
  const now = Math.floor(Date.now() / 1000)
  const claims = {
    sub: 'spiffe://example.org/acme/web',
    aud: [AUDIENCE],
    iat: now,
    exp: now + 300,
    jti,
  }
  const input = [{ alg: algorithm, kid: '1', typ: 'JWT' }, claims]
    .map((part) => Buffer.from(JSON.stringify(part)).toString('base64url'))
    .join('.')
  const key = { key: privateKey, dsaEncoding: 'ieee-p1363' } as const
  return `${input}.${sign('sha256', Buffer.from(input), key).toString('base64url')}`
}

for (const algorithm of ALGORITHMS) await compare(algorithm)

console.log('')
for (const { name, cpuRatio, speedRatio, cpuUs } of await compareRequests()) {
  const cpu = `${cpuRatio.median.toFixed(3)} of the CPU of bare Fastify`
  const each = `${cpuUs.ours.toFixed(0)} and ${cpuUs.bare.toFixed(0)} µs`
  console.log(`${name}: ${cpu} (${each}), ${speedRatio.median.toFixed(3)} of its requests/s`)
}
