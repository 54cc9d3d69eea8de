import { describe, expect, test } from '@jest/globals'
import { readPem, writePem } from './pem.ts'
import { refuses } from './x509.test.support.ts'

const labels = new Set(['CERTIFICATE'])
const content = Buffer.from('a'.repeat(100))
const pem = writePem('CERTIFICATE', content)

describe('PEM', () => {
  test('is written in lines of 64 characters, and read again', () => {
    expect(pem.split('\n').map((line) => line.length)).toEqual([27, 64, 64, 8, 25, 0])
    expect(readPem(pem, labels)).toEqual([{ label: 'CERTIFICATE', der: content }])
    expect(readPem(Buffer.from(pem), labels)).toHaveLength(1)
  })

  test.each([
    ['text around the blocks', `subject=a\n${pem}\nissuer=b\n${pem}trailer`, 2],
    ['blocks with other labels', `${writePem('EC PARAMETERS', content)}${pem}`, 1],
    [
      'line ends of other systems',
      pem.replaceAll('\n', '\r\n').concat(pem.replaceAll('\n', '\r')),
      2,
    ],
    ['blanks at the ends of lines', pem.replaceAll('\n', ' \n'), 1],
    ['no block at all', 'nothing', 0],
  ])('may have %s', (_, text, count) => {
    expect(readPem(text, labels)).toHaveLength(count)
  })

  test.each([
    ['a block that does not end', pem.split('\n').slice(0, -2).join('\n')],
    ['a block that ends as another', pem.replace('END CERTIFICATE', 'END OTHER')],
    ['characters that are not base64', pem.replace('YWFh', 'YW*h')],
    ['base64 that is cut off', pem.replace('YWFh', 'YWF')],
    ['padding inside', pem.replace('YWFh', 'YW==')],
    ['headers', pem.replace('-----\n', '-----\nProc-Type: 4,ENCRYPTED\n')],
    ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
  ])('may not have %s', (_, text) => {
    refuses('invalid-pem', () => readPem(text, labels))
  })
})
