import type { JwtAuthority } from '../bundle/jwt-authority.ts'
import type { CurveName } from '../x509/public-key.ts'

/** The algorithms of JWT-SVIDs (JWT-SVID §2.1), by their names in RFC 7518 §3.1. */
export type JwtSvidAlgorithm = `${'RS' | 'ES' | 'PS'}${'256' | '384' | '512'}`

/** RFC 7518 §3.4: each algorithm with elliptic curves has one of its own; `undefined` is RSA. */
const CURVES: ReadonlyMap<JwtSvidAlgorithm, CurveName | undefined> = new Map<
  JwtSvidAlgorithm,
  CurveName | undefined
>([
  ['RS256', undefined],
  ['RS384', undefined],
  ['RS512', undefined],
  ['PS256', undefined],
  ['PS384', undefined],
  ['PS512', undefined],
  ['ES256', 'P-256'],
  ['ES384', 'P-384'],
  ['ES512', 'P-521'],
])

const NAMES: ReadonlySet<unknown> = new Set(CURVES.keys())

export function isAlgorithm(value: unknown): value is JwtSvidAlgorithm {
  return NAMES.has(value)
}

/** Whether the key may have made a signature of that algorithm: its type, its curve, and the `alg` that it is limited to. */
export function fits({ type, curve, algorithm }: JwtAuthority, used: JwtSvidAlgorithm): boolean {
  if (algorithm !== undefined && algorithm !== used) return false
  const wanted = CURVES.get(used)
  return wanted === undefined ? type === 'rsa' : type === 'ec' && curve === wanted
}
