import { randomBytes } from 'node:crypto'
import { mintRootCa } from '@fastify-spiffe/authority'
import { beforeAll, describe, expect, test } from '@jest/globals'
import {
  basicResponse,
  der,
  errorResponse,
  extension,
  framed,
  GOOD,
  hex,
  revoked,
  time,
  UNKNOWN,
} from '@fastify-spiffe-test/kit/ocsp-responses'
import { mintResponder, Scene } from './scene.test.helper.ts'
import { verifyOcspResponse } from './verify-ocsp-response.ts'

const HOUR = 3_600_000
const DAY = 24 * HOUR
const NOTHING = Buffer.alloc(0)
const UNHEARD_OF = '06 03 2a 03 04'

let scene: Scene

beforeAll(async () => {
  scene = await Scene.make()
})

describe('the certificate that is meant', () => {
  test('is found by SHA-1 and by SHA-256', () => {
    for (const hash of ['sha1', 'sha256'] as const) {
      expect(scene.verdict(scene.byIssuer({ singles: [scene.single({ hash })] }))).toBe('good')
    }
  })

  test('is found among others', () => {
    const other = scene.single({ serial: hex('01'), status: UNKNOWN })
    const singles = [other, scene.single(), other]
    expect(scene.verdict(scene.byIssuer({ singles }))).toBe('good')
  })

  test('is not one of another issuer with the same serial number', async () => {
    const other = await Scene.make({ subject: 'O=Other CA' })
    const serial = Buffer.from(scene.certificate.serialNumber, 'hex')
    const foreign = [
      other.single({ serial }),
      other.single({ serial, issuer: scene.issuer }),
      scene.single({ issuer: other.issuer }),
    ]
    for (const each of foreign) {
      expect(scene.verdict(scene.byIssuer({ singles: [each] }))).toBe('no-match')
    }
  })

  test('is spoken of once: two answers are refused, equal ones too', () => {
    const singles = [scene.single(), scene.single({ status: revoked(Date.now()), hash: 'sha256' })]
    expect(scene.verdict(scene.byIssuer({ singles }))).toBe('ambiguous')
    expect(scene.verdict(scene.byIssuer({ singles: [scene.single(), scene.single()] }))).toBe(
      'ambiguous',
    )
  })

  test('is spoken of at all: an empty list is refused', () => {
    expect(scene.verdict(scene.byIssuer({ singles: [] }))).toBe('no-match')
  })

  test('has the issuer that is given', async () => {
    for (const subject of ['O=Other CA', 'O=Web CA']) {
      const other = await mintRootCa('other.test', { subject })
      const subjectOf = { certificate: scene.certificate, issuer: other.certificate }
      expect(verifyOcspResponse(scene.byIssuer(), subjectOf)).toMatchObject({
        code: 'wrong-issuer',
      })
    }
  })
})

describe('a CA that has the key of the issuer under another name', () => {
  test('is not the issuer, and neither are its responders those of the issuer', async () => {
    const { keyPair } = scene.ca
    const namesake = await mintRootCa('other.test', { subject: 'O=Renamed CA', keyPair })
    const renamed = { certificate: scene.certificate, issuer: namesake.certificate }
    expect(verifyOcspResponse(scene.byIssuer(), renamed)).toMatchObject({ code: 'wrong-issuer' })
    const responder = await mintResponder(namesake)
    expect(scene.verdict(scene.by(responder))).toBe('responder-not-authorized')
  })
})

describe('the signer', () => {
  test('is named by its name or by its key, and the answer says who it was', () => {
    for (const responderId of ['name', 'key'] as const) {
      const byDelegate = scene.by(scene.delegate, { responderId })
      expect(verifyOcspResponse(byDelegate, scene)).toMatchObject({
        answer: { signer: 'delegate' },
      })
      const byIssuer = scene.byIssuer({ responderId })
      expect(verifyOcspResponse(byIssuer, scene)).toMatchObject({ answer: { signer: 'issuer' } })
    }
  })

  test('may have a key of any allowed kind', async () => {
    const ways = [
      ['ec-p384', 'sha384', '06 08 2a 86 48 ce 3d 04 03 03'],
      ['rsa-2048', 'sha256', '06 09 2a 86 48 86 f7 0d 01 01 0b 05 00'],
      ['ed25519', null, '06 03 2b 65 70'],
    ] as const
    for (const [keyType, hash, algorithm] of ways) {
      const responder = await mintResponder(scene.ca, { keyType })
      const draft = { algorithm: der(0x30, hex(algorithm)), hash }
      expect(scene.verdict(scene.by(responder, draft))).toBe('good')
    }
  })

  test('has not signed by SHA-1, nor with a key that is too short', async () => {
    const sha1 = { algorithm: der(0x30, hex('06 07 2a 86 48 ce 3d 04 01')), hash: 'sha1' }
    expect(scene.verdict(scene.byIssuer(sha1))).toBe('weak-signature')
    const short = await mintResponder(scene.ca, { keyType: 'rsa-1024' })
    const algorithm = der(0x30, hex('06 09 2a 86 48 86 f7 0d 01 01 0b 05 00'))
    expect(scene.verdict(scene.by(short, { algorithm }))).toBe('weak-key')
  })

  test('is unknown if its certificate is not sent, or is another one than it names', async () => {
    expect(scene.verdict(scene.by(scene.delegate, { certificates: [] }))).toBe('responder-unknown')
    const other = await mintResponder(scene.ca, { subject: 'CN=other' })
    const certificates = [other.certificate.raw]
    expect(scene.verdict(scene.by(scene.delegate, { certificates }))).toBe('responder-unknown')
  })

  test('is found behind certificates that are none, and that are of others', async () => {
    const other = await mintResponder(await mintRootCa('other.test'))
    const odd = [der(0x30), scene.issuer.raw, other.certificate.raw]
    const certificates = [...odd, scene.delegate.certificate.raw]
    expect(scene.verdict(scene.by(scene.delegate, { certificates }))).toBe('good')
  })

  test('has to have signed: the name of the issuer alone proves nothing', () => {
    const forged = scene.byIssuer({
      signer: scene.delegate,
      responderId: der(0xa1, scene.issuer.subject.raw),
    })
    expect(scene.verdict(forged)).toBe('bad-signature')
    expect(scene.verdict(scene.by(scene.delegate, { signature: randomBytes(70) }))).toBe(
      'bad-signature',
    )
  })

  test('is no CA below the issuer: it would vouch for certificates that are not its own', async () => {
    const template = { ca: true, keyUsage: ['digitalSignature', 'keyCertSign'] } as const
    const responder = await mintResponder(scene.ca, template)
    expect(scene.verdict(scene.by(responder))).toBe('responder-not-authorized')
  })

  test('was certified by the issuer itself, and not by a CA below it', async () => {
    const below = await scene.ca.mintCa({ subject: 'O=Below' })
    const responder = await mintResponder(below)
    const certificates = [responder.certificate.raw, below.der]
    expect(scene.verdict(scene.by(responder, { certificates }))).toBe('responder-not-authorized')
  })

  test('is not the certificate itself, with whatever purposes', async () => {
    const own = await mintResponder(scene.ca)
    const subject = { certificate: own.certificate, issuer: scene.issuer }
    const response = scene.by(own, { singles: [scene.single(subject)] })
    expect(verifyOcspResponse(response, subject)).toMatchObject({
      code: 'responder-not-authorized',
    })
  })

  test('may sign by its KeyUsage, if it has one', async () => {
    const verdicts = []
    for (const keyUsage of ['absent', ['nonRepudiation'], ['keyEncipherment']] as const) {
      verdicts.push(scene.verdict(scene.by(await mintResponder(scene.ca, { keyUsage }))))
    }
    expect(verdicts).toEqual(['good', 'good', 'responder-not-authorized'])
  })

  test('has no critical extension that is not understood, and is valid already', async () => {
    const odd = { oid: '1.2.3.4', critical: true, value: hex('05 00') }
    const responder = await mintResponder(scene.ca, { extraExtensions: [odd] })
    expect(scene.verdict(scene.by(responder))).toBe('unknown-critical-extension')
    const early = await mintResponder(scene.ca, { notBefore: Date.now() + HOUR })
    expect(scene.verdict(scene.by(early))).toBe('responder-not-yet-valid')
  })
})

const at = (response: Buffer, ms: number, options = {}): string =>
  scene.verdict(response, { clock: () => ms, ...options })

const answer = (thisUpdate: number, nextUpdate: number): Buffer =>
  scene.byIssuer({
    singles: [scene.single({ thisUpdate, nextUpdate })],
    producedAt: thisUpdate,
  })

describe('the times', () => {
  const now = Date.parse('2026-06-01T12:00:00Z')
  test('count to the millisecond, with a tolerance of 60 s', () => {
    const response = answer(now, now + HOUR)
    expect(at(response, now - 60_000)).toBe('good')
    expect(at(response, now - 60_001)).toBe('not-yet-valid')
    expect(at(response, now + HOUR + 60_000)).toBe('good')
    expect(at(response, now + HOUR + 60_001)).toBe('expired')
    expect(at(response, now + HOUR + 1, { clockSkewMs: 0 })).toBe('expired')
  })

  test('end ten days after this update, whatever the next one is', () => {
    const response = answer(now, now + 400 * DAY)
    expect(at(response, now + 10 * DAY)).toBe('good')
    expect(at(response, now + 10 * DAY + 60_001)).toBe('too-old')
    expect(at(response, now + 20 * DAY, { maxAgeMs: 30 * DAY })).toBe('good')
  })

  test('are not those of a response that was signed in the future', () => {
    const response = scene.byIssuer({ producedAt: Date.now() + HOUR })
    expect(scene.verdict(response)).toBe('not-yet-valid')
  })

  test('refuse everything when the clock is broken', () => {
    expect(at(answer(now, now + HOUR), Number.NaN)).toBe('not-yet-valid')
  })

  test.each([
    ['an offset', '20260601120000+0100'],
    ['a fraction', '20260601120000.5Z'],
    ['no zone', '20260601120000'],
    ['no seconds', '202606011200Z'],
    ['a day that does not exist', '20260230120000Z'],
  ])('with %s are refused', (_, text) => {
    const thisUpdate = der(0x18, Buffer.from(text))
    expect(scene.verdict(scene.byIssuer({ singles: [scene.single({ thisUpdate })] }))).toBe(
      'malformed',
    )
  })

  test('in UTCTime are refused, and in GeneralizedTime are read', () => {
    const year = new Date().getUTCFullYear() - 2000
    const utc = der(0x17, Buffer.from(`${year}0101120000Z`))
    const general = der(0x18, Buffer.from(`20${year}0101120000Z`))
    const options = { maxAgeMs: 400 * DAY }
    const of = (thisUpdate: Buffer): string =>
      scene.verdict(scene.byIssuer({ singles: [scene.single({ thisUpdate })] }), options)
    expect([of(utc), of(general)]).toEqual(['malformed', 'good'])
  })

  test('with a next update before this one are refused', () => {
    expect(at(answer(now, now - 1000), now)).toBe('malformed')
  })
})

describe('the nonce', () => {
  const nonce = Buffer.alloc(32, 7)

  test('has to be the one that was sent; a missing one is allowed unless it is required', () => {
    const other = scene.byIssuer({ nonce: Buffer.alloc(32, 8) })
    expect(scene.verdict(other, { nonce })).toBe('nonce-mismatch')
    const shorter = scene.byIssuer({ nonce: nonce.subarray(1) })
    expect(scene.verdict(shorter, { nonce })).toBe('nonce-mismatch')
    expect(scene.verdict(scene.byIssuer(), { nonce })).toBe('good')
    expect(scene.verdict(scene.byIssuer(), { nonce, requireNonce: true })).toBe('nonce-missing')
  })

  test('is passed over if none was sent', () => {
    expect(scene.verdict(scene.byIssuer({ nonce }))).toBe('good')
  })
})

describe('extensions', () => {
  test('that are critical and not understood are refused, of the response and of the answer', () => {
    const odd = extension(UNHEARD_OF, hex('05 00'), true)
    expect(scene.verdict(scene.byIssuer({ extensions: [odd] }))).toBe('unknown-critical-extension')
    const singles = [scene.single({ extensions: [odd] })]
    expect(scene.verdict(scene.byIssuer({ singles }))).toBe('unknown-critical-extension')
  })

  test('that are not critical are passed over', () => {
    const odd = extension(UNHEARD_OF, hex('05 00'))
    const singles = [scene.single({ extensions: [odd] })]
    expect(scene.verdict(scene.byIssuer({ singles, extensions: [odd] }))).toBe('good')
  })

  test('that occur twice are refused', () => {
    const odd = extension(UNHEARD_OF, hex('05 00'))
    expect(scene.verdict(scene.byIssuer({ extensions: [odd, odd] }))).toBe('malformed')
  })
})

const basic = (draft = {}): Buffer =>
  basicResponse({ signer: scene.asIssuer, singles: [scene.single()], ...draft })

describe('the form', () => {
  const forms: [string, () => Buffer][] = [
    ['nothing', () => NOTHING],
    ['HTML', () => Buffer.from('<html>')],
    ['octets behind the response', () => Buffer.concat([scene.byIssuer(), hex('05 00')])],
    ['octets behind what is in it', () => framed(Buffer.concat([basic(), hex('05 00')]))],
    ['an element more within what is signed', () => scene.byIssuer({ afterData: hex('05 00') })],
    [
      'an element more within an answer',
      () => scene.byIssuer({ singles: [scene.single({ after: hex('05 00') })] }),
    ],
    [
      'an element more within the name of the certificate',
      () => scene.byIssuer({ singles: [scene.single({ afterSerial: hex('05 00') })] }),
    ],
    [
      'an element more beside what is in it',
      () => {
        const type = hex('06 09 2b 06 01 05 05 07 30 01 01')
        const bytes = der(0x30, type, der(0x04, basic()), hex('05 00'))
        return der(0x30, hex('0a 01 00'), der(0xa0, bytes))
      },
    ],
    ['success without content', () => errorResponse(0)],
    [
      'an error with content',
      () => {
        const good = scene.byIssuer()
        good[good.indexOf(hex('0a 01 00')) + 2] = 3
        return good
      },
    ],
    ['a version that is written', () => scene.byIssuer({ version: hex('a0 03 02 01 00') })],
    ['another version', () => scene.byIssuer({ version: hex('a0 03 02 01 01') })],
    [
      'an indefinite length',
      () => {
        const content = scene.byIssuer()
        return Buffer.concat([hex('30 80'), content.subarray(4), hex('00 00')])
      },
    ],
    [
      'a status that is not one of the three',
      () => scene.byIssuer({ singles: [scene.single({ status: hex('83 00') })] }),
    ],
    [
      'good that says more',
      () => scene.byIssuer({ singles: [scene.single({ status: hex('80 01 00') })] }),
    ],
    [
      'a reason that there is not',
      () => scene.byIssuer({ singles: [scene.single({ status: revoked(Date.now(), 7) })] }),
    ],
    [
      'a time of revocation that is no time',
      () => scene.byIssuer({ singles: [scene.single({ status: der(0xa1, hex('18 01 30')) })] }),
    ],
    [
      'nine certificates',
      () => scene.byIssuer({ certificates: Array.from({ length: 9 }, () => scene.issuer.raw) }),
    ],
    [
      'a responder that is neither a name nor a key',
      () => scene.byIssuer({ responderId: hex('a3 02 05 00') }),
    ],
  ]

  test.each(forms)('%s is refused', (_, make) => {
    expect(scene.verdict(make())).toBe('malformed')
  })

  test('of another type is refused', () => {
    expect(scene.verdict(framed(basic(), hex(UNHEARD_OF)))).toBe('not-basic')
  })

  test('of more than 64 KiB is not even read', () => {
    expect(scene.verdict(Buffer.alloc(65_537))).toBe('too-large')
    expect(scene.verdict(Buffer.alloc(65_536))).toBe('malformed')
  })

  test('of the status counts where it stands: a good one elsewhere is none', () => {
    const singles = [
      scene.single({ status: UNKNOWN }),
      scene.single({ serial: hex('01'), status: GOOD }),
    ]
    expect(scene.verdict(scene.byIssuer({ singles }))).toBe('unknown')
  })

  test('with 500 answers takes no longer than the rest of a handshake', () => {
    const many = Array.from({ length: 500 }, () => scene.single({ serial: hex('01') }))
    const response = scene.byIssuer({ singles: [...many, scene.single()] })
    const { user: before } = process.cpuUsage()
    expect(scene.verdict(response)).toBe('good')
    expect(process.cpuUsage().user - before).toBeLessThan(500_000)
  })
})

test('options that are out of bounds throw, instead of allowing more than is meant', () => {
  for (const options of [
    { clockSkewMs: 300_001 },
    { clockSkewMs: Number.NaN },
    { maxAgeMs: 0 },
    { maxAgeMs: Number.NaN },
    { nonce: Buffer.alloc(0) },
    { nonce: Buffer.alloc(128) },
    { requireNonce: true },
  ]) {
    expect(() => scene.verdict(scene.byIssuer(), options)).toThrow(
      expect.objectContaining({ code: 'invalid-option' }),
    )
  }
})

test('the answer is frozen, and says what the response says', () => {
  const start = Date.parse('2026-06-01T12:00:00Z')
  const singles = [scene.single({ thisUpdate: start, nextUpdate: start + HOUR })]
  const response = scene.byIssuer({ singles, producedAt: start + 1000 })
  const found = verifyOcspResponse(response, scene, { clock: () => start + 5000 })
  expect(found).toEqual({
    ok: true,
    answer: {
      status: 'good',
      thisUpdate: start,
      nextUpdate: start + HOUR,
      producedAt: start + 1000,
      signer: 'issuer',
    },
  })
  expect(Object.isFrozen(found) && found.ok && Object.isFrozen(found.answer)).toBe(true)
  expect(time(start).subarray(2).toString()).toBe('20260601120000Z')
})
