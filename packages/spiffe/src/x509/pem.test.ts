import { describe, expect, test } from '@jest/globals'
import { SpiffeError } from '../errors.ts'
import { CERTIFICATES, PRIVATE_KEYS, REVOCATION_LISTS } from './pem-kinds.ts'
import { readPem, writePem } from './pem.ts'
import { refuses } from './x509.test.support.ts'

const content = Buffer.from('a'.repeat(100))
const pem = writePem('CERTIFICATE', content)
const list = writePem('X509 CRL', content)
const MARK = '\ufeff'

const messageOf = (read: () => unknown): string => {
  try {
    read()
  } catch (error) {
    return error instanceof SpiffeError ? `${error.code}: ${error.message}` : String(error)
  }
  return 'nothing was thrown'
}

/** The same as a string and as a Buffer: both have to be read alike. */
const forms = (text: string): readonly (string | Uint8Array)[] => [
  text,
  Buffer.from(text),
  new Uint8Array(Buffer.from(text)),
]

describe('PEM', () => {
  test('is written in lines of 64 characters, and read again', () => {
    expect(pem.split('\n').map((line) => line.length)).toEqual([27, 64, 64, 8, 25, 0])
    expect(readPem(pem, CERTIFICATES)).toEqual([{ label: 'CERTIFICATE', der: content }])
    expect(readPem(Buffer.from(pem), CERTIFICATES)).toHaveLength(1)
  })

  test.each([
    ['text around the blocks', `subject=a\n${pem}\nissuer=é\n${pem}trailer`, 2],
    ['blocks with other labels', `${writePem('EC PARAMETERS', content)}${pem}`, 1],
    ['a revocation list beside it', `${list}${pem}${list}`, 1],
    ['a request beside it', `${writePem('NEW CERTIFICATE REQUEST', content)}${pem}`, 1],
    [
      'an encrypted key beside it',
      `-----BEGIN EC PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n\nAAAA\n-----END EC PRIVATE KEY-----\n${pem}`,
      1,
    ],
    [
      'line ends of other systems',
      pem.replaceAll('\n', '\r\n').concat(pem.replaceAll('\n', '\r')),
      2,
    ],
    ['blanks at the ends of lines', pem.replaceAll('\n', ' \n'), 1],
    ['a block that is indented', pem.replaceAll(/^/gm, '    '), 1],
    ['a byte order mark', `${MARK}${pem}`, 1],
    ['several byte order marks, of files that were joined', `${MARK}${pem}${MARK}${MARK}${pem}`, 2],
    ['a byte order mark and other line ends', `${MARK}${pem.replaceAll('\n', '\r\n')}`, 1],
    ['a block that is commented out', `${pem.trimEnd().replaceAll(/^/gm, '# ')}\n${pem}`, 1],
    ['no line break at its end', pem.trimEnd(), 1],
  ])('may have %s, as a string and as octets', (_, text, count) => {
    for (const form of forms(text)) {
      expect(readPem(form, CERTIFICATES).map(({ der }) => der)).toEqual(Array(count).fill(content))
    }
  })

  test.each([
    ['a block that does not end', pem.split('\n').slice(0, -2).join('\n')],
    ['a block that does not begin', `${pem}${pem.split('\n').slice(1).join('\n')}`],
    ['a block that ends as another', pem.replace('END CERTIFICATE', 'END OTHER')],
    ['a block inside another one', `-----BEGIN A-----\n${pem}-----END A-----\n${pem}`],
    [
      'blocks between the pieces of one with another label',
      `-----BEGIN A-----\nAAAA\n${pem}-----BEGIN A-----\nAAAA\n-----END A-----\n${pem}`,
    ],
    ['characters that are not base64', pem.replace('YWFh', 'YW*h')],
    ['base64url', pem.replace('YWFh', 'YW-_')],
    ['base64 that is cut off', pem.replace('YWFh', 'YWF')],
    ['padding inside', pem.replace('YWFh', 'YW==')],
    ['bits after the last octet', pem.replace('YQ==', 'YR==')],
    ['a null character inside', pem.replace('YWFh', 'YW\0h')],
    ['headers', pem.replace('-----\n', '-----\nComment: mine\n')],
    ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
    ['all on one line', pem.replaceAll('\n', ' ')],
    ['all on one line, without blanks', pem.replaceAll('\n', '')],
    ['line breaks as two characters', pem.replaceAll('\n', '\\n')],
    [
      'a good block before one whose line breaks are two characters',
      `${pem}${pem.replaceAll('\n', '\\n')}`,
    ],
    ['two boundaries on one line', `${pem.trimEnd()}${pem}`],
    [
      'a boundary in lower case',
      `${pem}${pem.replaceAll('CERTIFICATE', 'certificate').toLowerCase()}`,
    ],
    ['a boundary with a missing hyphen', `${pem}${pem.replaceAll(/-----$/gm, '----')}`],
    ['boundaries with four hyphens', `${pem}${pem.replaceAll('-----', '----')}`],
    ['boundaries with dashes', `${pem}${pem.replaceAll('-----', '—–')}`],
    ['a boundary after other text', `${pem}ca: ${pem}`],
    ['a boundary in quotes', `${pem}${JSON.stringify(pem)}`],
    ['Base64 that has lost its boundaries', `${pem}MIIB${'A'.repeat(60)}\nAAAA\n`],
    ['a byte order mark that was read as Latin-1', `${pem}ï»¿${pem}`],
  ])('may not have %s', (_, text) => {
    for (const form of forms(text)) refuses('invalid-pem', () => readPem(form, CERTIFICATES))
  })

  test.each<[string, string | Uint8Array, RegExp]>([
    ['an empty file', '', /is empty/],
    ['a file of blanks and a byte order mark', `${MARK} \r\n\n`, /is empty/],
    ['UTF-16, little endian', Buffer.from(`${MARK}${pem}`, 'utf16le'), /UTF-16/],
    ['UTF-16, big endian', Buffer.from(`${MARK}${pem}`, 'utf16le').swap16(), /UTF-16/],
    ['UTF-16 without its mark', Buffer.from(pem, 'utf16le'), /UTF-16/],
    ['UTF-16 that was read as Latin-1', Buffer.from(pem, 'utf16le').toString('latin1'), /UTF-16/],
    [
      'UTF-16 after UTF-8',
      Buffer.concat([Buffer.from(pem), Buffer.from(pem, 'utf16le')]),
      /UTF-16/,
    ],
    ['DER', Buffer.concat([Buffer.from('308201000203', 'hex'), Buffer.alloc(256, 0x41)]), /DER/],
    ['DER without a null', Buffer.from('30820101020102', 'hex'), /DER/],
    [
      'DER before PEM',
      Buffer.concat([Buffer.from('308201010201020a', 'hex'), Buffer.from(pem)]),
      /DER/,
    ],
    [
      'DER after PEM',
      Buffer.concat([Buffer.from(pem), Buffer.from('308201010201020a', 'hex')]),
      /DER/,
    ],
    ['DER that was read as UTF-8', Buffer.from('30820101020102', 'hex').toString(), /DER/],
    ['DER that was read as Latin-1', Buffer.from('3081ff020102', 'hex').toString('latin1'), /DER/],
    ['Base64 alone', content.toString('base64'), /Base64/],
    ['line breaks as two characters', pem.replaceAll('\n', '\\n'), /\\n/],
    ['line breaks as four characters', pem.replaceAll('\n', '\\r\\n'), /\\n/],
    ['a private key', writePem('PRIVATE KEY', content), /only a block PRIVATE KEY$/],
    ['a revocation list', `${list}${list}`, /only a block X509 CRL$/],
    ['an old label of the same', writePem('X509 CERTIFICATE', content), /X509 CERTIFICATE/],
    ['a trusted certificate', writePem('TRUSTED CERTIFICATE', content), /TRUSTED CERTIFICATE/],
    ['PKCS#7', writePem('PKCS7', content), /PKCS7/],
    ['text without a block', 'no certificates here', /without a line BEGIN CERTIFICATE/],
  ])('says what %s looks like, where a certificate is wanted', (_, input, pattern) => {
    const message = messageOf(() => readPem(input, CERTIFICATES))
    expect(message).toMatch(/^invalid-pem: /)
    expect(message).toMatch(pattern)
    expect(message).not.toMatch(/YWFh|certificates here|MIIC/)
  })

  test.each([
    'CRL',
    'X.509 CRL',
    'X509CRL',
    'X509 CERTIFICATE REVOCATION LIST',
    'PKCS7',
    'PKCS #7 SIGNED DATA',
    'CMS',
  ])('beside a revocation list does not lose what stands under the label %s', (label) => {
    expect(readPem(`${list}${pem}`, REVOCATION_LISTS)).toHaveLength(1)
    refuses('invalid-pem', () => readPem(`${list}${writePem(label, content)}`, REVOCATION_LISTS))
  })

  test('never puts what it read into a message', () => {
    const secret = 'SECRET SECRETS'
    const texts = [
      `-----BEGIN ${secret}-----\nAAAA\n-----END ${secret}-----\n`,
      `-----BEGIN ${secret}-----\nAAAA\n`,
      `-----END ${secret}-----\n`,
      `-----BEGIN PRIVATE KEY-----${secret}-----END PRIVATE KEY-----\n`,
      `-----BEGIN PRIVATE KEY-----\n${secret}\n-----END PRIVATE KEY-----\n`,
      `-----BEGIN PRIVATE KEY-----\nX: ${secret}\n\nAAAA\n-----END PRIVATE KEY-----\n`,
      secret,
      secret.repeat(20),
      `-----BEGIN ${secret} PRIVATE KEY-----\nAAAA\n-----END ${secret} PRIVATE KEY-----\n`,
    ]
    for (const text of texts) {
      for (const kind of [CERTIFICATES, PRIVATE_KEYS, REVOCATION_LISTS]) {
        expect(messageOf(() => readPem(text, kind))).toMatch(/^invalid-pem: (?!.*SECRET)/)
      }
    }
  })

  test.each<[string, unknown]>([
    ['undefined', undefined],
    ['a list of texts', [pem]],
    ['numbers of two octets', new Uint16Array(Buffer.from(pem))],
    ['an object', { toString: () => pem }],
  ])('may not be %s', (_, value) => {
    refuses('invalid-pem', () => readPem(value as string, CERTIFICATES))
  })

  test('is read in a time that grows with its length alone', () => {
    const started = performance.now()
    for (const piece of ['-----BEGIN A-----\n', '\n', '-', ' ', '=-', '-----BEGIN ', '\ufeff']) {
      expect(messageOf(() => readPem(piece.repeat(200_000), CERTIFICATES))).toMatch(/^invalid-pem/)
    }
    expect(performance.now() - started).toBeLessThan(5000)
  })
})
