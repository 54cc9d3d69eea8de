import { generateKeyPairSync } from 'node:crypto'
import { describe, expect, test } from '@jest/globals'
import { filesOf } from '../reading/file-set.ts'
import type { FileSourceOptions } from './options.ts'
import { readOptions } from './settings.ts'

const FILES = { svid: '/certs/svid.pem', key: '/certs/key.pem', bundle: '/certs/bundle.pem' }

function namesOf(options: FileSourceOptions): readonly string[] {
  return filesOf(readOptions(options).files).map(({ path }) => path)
}

describe('files', () => {
  test.each([
    ['spiffe-helper', ['svid.pem', 'svid_key.pem', 'svid_bundle.pem']],
    ['cert-manager', ['tls.crt', 'tls.key', 'ca.crt']],
    ['spire-agent', ['svid.0.pem', 'svid.0.key', 'bundle.0.pem']],
  ] as const)('have the names that %s gives them', (layout, names) => {
    expect(namesOf({ directory: '/certs', layout })).toEqual(names.map((name) => `/certs/${name}`))
  })

  test('may have other names beside a layout', () => {
    const options = { directory: '/certs', layout: 'cert-manager', key: '/keys/tls.key' } as const
    expect(namesOf(options)).toEqual(['/certs/tls.crt', '/keys/tls.key', '/certs/ca.crt'])
  })

  test('of bundles by trust domain take the place of the one of the layout', () => {
    const bundles = { 'example.org': 'own.pem', 'partner.test': ['a.pem', 'b.json'] }
    const { files } = readOptions({ directory: '/certs', layout: 'spiffe-helper', bundles })
    expect(files.bundles.map(({ path, trustDomain }) => [path, trustDomain?.name])).toEqual([
      ['/certs/own.pem', 'example.org'],
      ['/certs/a.pem', 'partner.test'],
      ['/certs/b.json', 'partner.test'],
    ])
  })

  test('are named in messages by their path only if it certainly is one', () => {
    const { files } = readOptions({ ...FILES, key: 'MHcCAQEEIP' })
    expect([files.svid.name, files.key.name]).toEqual(['the SVID /certs/svid.pem', 'the key'])
  })
})

const privateKey = String(
  generateKeyPairSync('ed25519').privateKey.export({ type: 'pkcs8', format: 'pem' }),
)

test.each<readonly [string, string, unknown]>([
  ['unknown-option', 'an option that does not exist', { ...FILES, watch: true }],
  ['invalid-option', 'no options', null],
  ['invalid-option', 'no SVID', { key: 'a', bundle: 'b' }],
  ['invalid-option', 'no bundle', { svid: 'a', key: 'b' }],
  ['invalid-option', 'no bundles at all', { svid: 'a', key: 'b', bundles: {} }],
  ['invalid-option', 'the content of a file', { ...FILES, key: privateKey }],
  ['invalid-option', 'an empty path', { ...FILES, svid: '' }],
  ['invalid-option', 'a path with a NUL', { ...FILES, svid: '/a\0b' }],
  ['invalid-option', 'an empty list', { ...FILES, bundle: [] }],
  ['invalid-option', 'a layout that is not known', { directory: '/', layout: 'vault' }],
  ['invalid-option', 'a SPIFFE ID as a trust domain', { ...FILES, bundles: { 'spiffe://a': 'b' } }],
  [
    'invalid-option',
    'a digest that is too short',
    { ...FILES, expectedSha256: { '/certs/svid.pem': 'ab' } },
  ],
  [
    'invalid-option',
    'a digest of no file',
    { ...FILES, expectedSha256: { other: 'a'.repeat(64) } },
  ],
  [
    'invalid-option',
    'a private key for manifests',
    { ...FILES, manifest: { file: 'm', publicKey: privateKey } },
  ],
  [
    'unknown-option',
    'an unknown member of manifest',
    { ...FILES, manifest: { file: 'm', key: 1 } },
  ],
  ['invalid-option', 'a text as an allowance', { ...FILES, allowWorldWritable: 'yes' }],
  ['invalid-option', 'a limit beyond 16 MiB', { ...FILES, maxFileBytes: 2 ** 25 }],
  ['invalid-option', 'no time at all', { ...FILES, timeoutMs: 0 }],
  ['invalid-option', 'a signal that is none', { ...FILES, signal: {} }],
])('%s: %s is refused, and not shown', (code, _what, options) => {
  const act = (): unknown => readOptions(options as FileSourceOptions)
  expect(act).toThrow(expect.objectContaining({ code }))
  expect(act).not.toThrow(/BEGIN|MC4C/)
})
