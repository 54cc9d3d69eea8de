import type { CertificateTemplate, KeyType, RawExtension } from '@fastify-spiffe/authority'
import { der, SEQUENCE } from './der.ts'

/** A certificate while changes are made to it. */
export interface Draft {
  readonly isLeaf: boolean
  readonly keyType: KeyType
  /** The name of the certificate above, its own for an anchor. */
  readonly issuerName: string
  readonly template: CertificateTemplate
  readonly extensions: readonly RawExtension[]
  readonly constraints: Constraints
  /** Whether somebody else than the issuer signs. */
  readonly isForged: boolean
  /** The position of an octet that is changed, counted from the end of the DER; none by default. */
  readonly flippedAt?: number
}

/** Name constraints, each a GeneralName in DER. */
export interface Constraints {
  readonly permitted: readonly Buffer[]
  readonly excluded: readonly Buffer[]
  readonly critical: boolean
}

export const NO_CONSTRAINTS: Constraints = { permitted: [], excluded: [], critical: true }

/** What goes to the mint. */
export function shapeOf({ template, extensions, constraints }: Draft): CertificateTemplate {
  return { ...template, extraExtensions: [...extensions, ...nameConstraints(constraints)] }
}

// The test kit of `authority` writes URIs only.
function nameConstraints({ permitted, excluded, critical }: Constraints): RawExtension[] {
  if (permitted.length === 0 && excluded.length === 0) return []
  const value = der(SEQUENCE, ...subtrees(0xa0, permitted), ...subtrees(0xa1, excluded))
  return [{ oid: '2.5.29.30', critical, value }]
}

function subtrees(tag: number, names: readonly Buffer[]): Buffer[] {
  if (names.length === 0) return []
  return [der(tag, ...names.map((name) => der(SEQUENCE, name)))]
}
