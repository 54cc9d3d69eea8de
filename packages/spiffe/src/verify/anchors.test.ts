import { describe, expect, test } from '@jest/globals'
import { TrustDomain } from '../id/spiffe-id.ts'
import { tlv } from '../der/der.test.support.ts'
import { TAG } from '../der/tags.ts'
import { BundleSet } from '../bundle/bundle-set.ts'
import { X509Bundle } from '../x509/bundle.ts'
import {
  bitString,
  extension,
  forge,
  leafExtensions,
  refuses,
  TRUE,
} from '../x509/x509.test.support.ts'
import {
  certify,
  FUTURE,
  PAST,
  party,
  selfSigned,
  svid,
  trusting,
  verdict,
} from './authorities.test.support.ts'
import { verifyX509Svid } from './verify-x509-svid.ts'

const root = party('root')
const anchor = selfSigned(root)
const DOMAIN = TrustDomain.parse('example.org')

describe('an anchor is held to the rules for issuers', () => {
  test('with its dates', () => {
    expect(verdict([svid(root)], trusting(anchor))).toBe('accepted')
    expect(verdict([svid(root)], trusting(selfSigned(root, { draft: PAST })))).toBe('expired')
    expect(verdict([svid(root)], trusting(selfSigned(root, { draft: FUTURE })))).toBe(
      'not-yet-valid',
    )
  })

  test('and one that was renewed takes the place of its expired self, whichever is sent', () => {
    const expired = selfSigned(root, { draft: PAST })
    expect(verdict([svid(root), expired], trusting(anchor))).toBe('accepted')
    expect(verdict([svid(root)], trusting(expired, anchor))).toBe('accepted')
    // The renewed one proves its key, and nothing about the bundle.
    expect(verdict([svid(root), anchor], trusting(expired))).toBe('expired')
  })

  test('with its CA flag, so that one of version 1 is none', () => {
    const old = { version: Buffer.alloc(0), extensionList: Buffer.alloc(0) }
    expect(verdict([svid(root)], trusting(selfSigned(root, { draft: old })))).toBe('issuer-not-ca')
  })

  test('whose key usage and basic constraints are not critical', () => {
    const extensions = [
      extension('2.5.29.15', false, bitString(Buffer.from([0x04]), 2)),
      extension('2.5.29.19', false, tlv(TAG.sequence, TRUE)),
    ]
    const middle = party('middle')
    const intermediate = certify(middle, root, { draft: { extensions } })
    expect(verdict([svid(middle), intermediate], trusting(anchor))).toBe('accepted')
    expect(verdict([svid(middle)], trusting(intermediate))).toBe('accepted')
  })

  test('with its path length and its name constraints', () => {
    const narrow = trusting(selfSigned(root, { pathLength: 0 }))
    const middle = party('middle')
    expect(verdict([svid(root)], narrow)).toBe('accepted')
    expect(verdict([svid(middle), certify(middle, root)], narrow)).toBe('path-too-long')
  })

  test('and not to those for its own signature, which nobody needs', () => {
    const stranger = party('stranger')
    expect(verdict([svid(root)], trusting(certify(root, stranger)))).toBe('accepted')
    const draft = { signature: tlv(TAG.bitString, Buffer.from([0, 1, 2, 3])) }
    expect(verdict([svid(root)], trusting(selfSigned(root, { draft })))).toBe('accepted')
  })
})

describe('the name and the key of an anchor', () => {
  test('belong together: the key under another name issued nothing', () => {
    const renamed = party('renamed', root.keys)
    expect(verdict([svid(root)], trusting(selfSigned(renamed)))).toBe('no-path')
    expect(verdict([svid(root)], trusting(selfSigned(renamed), anchor))).toBe('accepted')
  })

  test('belong together: another key under the name did not sign', () => {
    const twin = party('root')
    expect(verdict([svid(root)], trusting(selfSigned(twin)))).toBe('bad-signature')
    expect(verdict([svid(root)], trusting(selfSigned(twin), anchor))).toBe('accepted')
    expect(verdict([svid(twin)], trusting(selfSigned(twin), anchor))).toBe('accepted')
  })

  test('may stand in several certificates, of which one is enough', () => {
    const other = party('other')
    const crossed = certify(root, other)
    const closed = selfSigned(root, { draft: PAST })
    expect(verdict([svid(root)], trusting(closed, crossed))).toBe('accepted')
    expect(verdict([svid(root), crossed], trusting(closed, selfSigned(other)))).toBe('accepted')
  })
})

describe('what was sent', () => {
  const middle = party('middle')
  const intermediate = certify(middle, root)

  test('is an anchor where the bundle holds it, and the path ends there', () => {
    const outcome = verifyX509Svid([svid(middle), intermediate, anchor], trusting(intermediate))
    expect(outcome.ok && outcome.svid.path).toHaveLength(2)
    expect(outcome.ok && outcome.svid.anchor.equals(intermediate)).toBe(true)
    const both = verifyX509Svid([svid(middle), intermediate], trusting(anchor, intermediate))
    expect(both.ok && both.svid.path).toHaveLength(2)
  })

  test('above an anchor does not count', () => {
    const expired = selfSigned(root, { draft: PAST })
    const chain = [svid(middle), intermediate, expired]
    expect(verdict(chain, trusting(intermediate))).toBe('accepted')
    expect(verdict(chain, trusting(expired))).toBe('expired')
  })

  test('is no anchor because it is self-signed', () => {
    expect(verdict([svid(root), anchor], trusting(selfSigned(party('other'))))).toBe('no-path')
  })

  test('is not trusted as a leaf because the bundle holds it', () => {
    const leaf = svid(party('stranger'))
    expect(verdict([leaf], trusting(anchor, leaf))).toBe('no-path')
    const own = party('workload')
    const selfIssued = svid(own, { draft: { subjectKeys: own.keys } })
    expect(verdict([selfIssued], trusting(selfIssued))).toBe('no-path')
  })
})

describe('a bundle with an authority that cannot be read', () => {
  const junk = [
    ['no certificate', tlv(TAG.sequence)],
    [
      'a certificate that is not strict DER',
      forge({ extensions: [...leafExtensions(), ...leafExtensions()] }),
    ],
    ['octets that are no element', Buffer.from([0, 0])],
  ] as const

  test.each(junk)('%s: is no bundle, whatever stands before and after', (_, octets) => {
    for (const der of [
      [octets, anchor.raw],
      [anchor.raw, octets],
    ]) {
      refuses('invalid-bundle', () => X509Bundle.fromDer(DOMAIN, Buffer.concat(der)))
    }
  })

  test('is one where the authority can be read and may not be used: it vouches for nobody', () => {
    const odd = selfSigned(party('odd'), { draft: PAST })
    const bundle = X509Bundle.fromDer(DOMAIN, Buffer.concat([odd.raw, anchor.raw]))
    expect(verdict([svid(root)], BundleSet.of(bundle))).toBe('accepted')
    expect(bundle.authorities).toHaveLength(2)
  })
})
