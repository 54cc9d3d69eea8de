import { describe, expect, test } from '@jest/globals'
import { BundleSet } from '../bundle/bundle-set.ts'
import { JwtBundle } from '../bundle/jwt-bundle.ts'
import { SpiffeError } from '../errors.ts'
import { TrustDomain } from '../id/spiffe-id.ts'
import { AUDIENCE, authority, bundleOf, GOOD, NOW, SECONDS, tokenOf } from './jwt.test.support.ts'
import { JwtSvidVerifier, type JwtSvidVerifierOptions } from './verifier.ts'

/** A verifier whose bundles and clock the test sets. */
class Scene {
  jwtBundles: BundleSet<JwtBundle> = BundleSet.of(GOOD)
  now: number = NOW
  readonly verifier: JwtSvidVerifier

  constructor(options: Partial<JwtSvidVerifierOptions> = {}) {
    const given = { audience: AUDIENCE, source: this, clock: () => this.now, ...options }
    this.verifier = new JwtSvidVerifier(given)
  }

  async codeOf(token: string): Promise<string> {
    const verdict = await this.verifier.verify(token)
    return verdict.ok ? 'accepted' : verdict.code
  }
}

const token = tokenOf()

describe('a verifier', () => {
  test('remembers what it has accepted, and says so synchronously', async () => {
    const { verifier } = new Scene()
    expect(verifier.cached(token)).toBeUndefined()
    const verdict = await verifier.verify(token)
    expect(verdict.ok).toBe(true)
    expect(verifier.cached(token)).toBe(verdict)
    expect(await verifier.verify(token)).toBe(verdict)
    expect(verifier.cachedTokens).toBe(1)
  })

  test('remembers no refusal, and nothing of a token that differs in one place', async () => {
    const scene = new Scene()
    expect(await scene.codeOf(tokenOf({ claims: { aud: 'other' } }))).toBe('wrong-audience')
    expect(scene.verifier.cachedTokens).toBe(0)
    expect(await scene.codeOf(token)).toBe('accepted')
    for (const spoilt of [
      `${token} `,
      token.slice(0, -1),
      `${token.slice(0, -1)}*`,
      '',
      'x'.repeat(9000),
    ]) {
      expect(scene.verifier.cached(spoilt)).toBeUndefined()
      expect(await scene.codeOf(spoilt)).not.toBe('accepted')
    }
    // @ts-expect-error what only a caller without types can do
    expect(scene.verifier.cached(undefined)).toBeUndefined()
  })

  test('forgets a token when it expires, to the millisecond', async () => {
    const scene = new Scene({ clockSkewMs: 1000 })
    expect(await scene.codeOf(token)).toBe('accepted')
    scene.now = NOW + 300_999
    expect(scene.verifier.cached(token)).toBeDefined()
    scene.now = NOW + 301_000
    expect(scene.verifier.cached(token)).toBeUndefined()
    expect(scene.verifier.cachedTokens).toBe(0)
    expect(await scene.codeOf(token)).toBe('expired')
  })

  test('looks again after its clock was set back', async () => {
    const scene = new Scene()
    const later = tokenOf({ claims: { nbf: SECONDS } })
    expect(await scene.codeOf(later)).toBe('accepted')
    scene.now = NOW - 1
    expect(scene.verifier.cached(later)).toBeUndefined()
    expect(await scene.codeOf(later)).toBe('not-yet-valid')
  })

  test('refuses a token at once when its key has left the bundle', async () => {
    const scene = new Scene()
    const verdict = await scene.verifier.verify(token)
    if (!verdict.ok) throw new Error(verdict.message)
    // The same key in another bundle, among others.
    scene.jwtBundles = BundleSet.of(bundleOf(authority('1'), authority('2', 'P-256/two')))
    expect(scene.verifier.cached(token)).toBe(verdict)
    expect(scene.verifier.holds(verdict.svid)).toBe(true)
    for (const [bundles, code] of [
      [BundleSet.of(bundleOf(authority('2'))), 'unknown-key'],
      [BundleSet.of(bundleOf(authority('1', 'P-256/two'))), 'bad-signature'],
      [BundleSet.of(bundleOf()), 'empty-bundle'],
      [BundleSet.of<JwtBundle>(), 'unknown-trust-domain'],
    ] as const) {
      scene.jwtBundles = BundleSet.of(GOOD)
      expect(await scene.codeOf(token)).toBe('accepted')
      scene.jwtBundles = bundles
      expect(scene.verifier.cached(token)).toBeUndefined()
      expect(scene.verifier.holds(verdict.svid)).toBe(false)
      expect(await scene.codeOf(token)).toBe(code)
    }
  })

  test('refuses a token whose key leaves the bundle, or that expires, while it is verified', async () => {
    const scene = new Scene()
    const withdrawn = scene.codeOf(token)
    scene.jwtBundles = BundleSet.of(bundleOf())
    expect(await withdrawn).toBe('unknown-key')
    scene.jwtBundles = BundleSet.of(GOOD)
    const expired = scene.codeOf(token)
    scene.now = NOW + 300_000
    expect(await expired).toBe('expired')
    expect(scene.verifier.cachedTokens).toBe(0)
  })

  test('keeps the tokens of one trust domain whatever those of another do', async () => {
    const other = TrustDomain.parse('other.org')
    const scene = new Scene({ maxCachedTokens: 3 })
    scene.jwtBundles = BundleSet.of(GOOD, JwtBundle.of(other, [authority('1')]))
    expect(await scene.codeOf(token)).toBe('accepted')
    for (let index = 0; index < 10; index++) {
      const flood = tokenOf({ claims: { sub: 'spiffe://other.org/web', jti: `${index}` } })
      expect(await scene.codeOf(flood)).toBe('accepted')
    }
    expect(scene.verifier.cached(token)).toBeDefined()
    expect(scene.verifier.cachedTokens).toBe(4)
  })

  test('counts a long token as several, and may remember none', async () => {
    const scene = new Scene({ maxCachedTokens: 3 })
    const long = tokenOf({ claims: { x: 'x'.repeat(3000) } })
    expect(await scene.codeOf(token)).toBe('accepted')
    expect(await scene.codeOf(long)).toBe('accepted')
    expect(scene.verifier.cached(long)).toBeUndefined()
    const forgetful = new Scene({ maxCachedTokens: 0 })
    expect(await forgetful.codeOf(token)).toBe('accepted')
    expect(forgetful.verifier.cachedTokens).toBe(0)
  })

  test.each([
    [{ source: null }],
    [{ source: {} }],
    [{ audience: '' }],
    [{ maxCachedTokens: -1 }],
    [{ maxCachedTokens: 1.5 }],
    [{ clockSkewMs: 60_001 }],
  ])('is not made with %j', (options) => {
    // @ts-expect-error what only a caller without types can do
    expect(() => new Scene(options)).toThrow(expect.objectContaining({ code: 'invalid-option' }))
  })

  test('has no other options', () => {
    const options = { audiences: AUDIENCE }
    // @ts-expect-error a misspelt option
    expect(() => new Scene(options)).toThrow(SpiffeError)
  })
})
