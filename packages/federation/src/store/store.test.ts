import {
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rm,
  stat,
  symlink,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { parseBundleMap, TrustDomain } from '@fastify-spiffe/spiffe'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import {
  bundleOf,
  Endpoint,
  ENDPOINT_ID,
  mintWebPki,
  open,
  PARTNER,
  record,
} from '../endpoint.test.helper.ts'
import type { Federation, FollowOptions } from '../index.ts'

const FILE = `${PARTNER}.bundle.json`
const domain = TrustDomain.parse(PARTNER)

let ca: string
let localhost: MintedCertificate
let partner: MintedCa
let next: MintedCa
let root: string
let directory: string
let endpoint: Endpoint

beforeAll(async () => {
  ;({ ca, localhost } = await mintWebPki())
  partner = await mintRootCa(PARTNER)
  next = await mintRootCa(PARTNER)
})

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'federation-'))
  directory = join(root, 'a', 'bundles')
  endpoint = await Endpoint.serve(localhost)
  endpoint.send(bundleOf([partner], { sequence: 5n }).stringify())
})

afterEach(async () => {
  await endpoint[Symbol.asyncDispose]()
  await rm(root, { recursive: true, force: true })
})

const followed = (change: Partial<FollowOptions> = {}): FollowOptions => ({
  trustDomain: PARTNER,
  url: endpoint.url(),
  profile: 'https_web',
  ca,
  ...change,
})

const following = (change: Partial<FollowOptions> = {}): Promise<Federation> =>
  open({ trustDomains: [followed(change)], directory })

/** Opens once with the endpoint, and closes. */
async function storeOnce(): Promise<void> {
  const federation = await following()
  await federation.refresh(PARTNER)
  await federation.close()
}

const fail = (): void => {
  endpoint.answer = (_request, response) => response.writeHead(503).end()
}

const modeOf = async (path: string): Promise<string> =>
  ((await stat(path)).mode & 0o777).toString(8)

describe('a directory', () => {
  test('lets a restart without network know its peers', async () => {
    await storeOnce()
    fail()
    await using federation = await following()
    expect(federation.status(PARTNER)).toMatchObject({ origin: 'stored', sequence: 5n })
    expect([...federation.bundles][0]?.has(partner.certificate)).toBe(true)
    expect([...federation.jwtBundles][0]?.find('one')).toBeDefined()
    const after = await federation.refresh(PARTNER)
    expect(after).toMatchObject({ state: 'stale', origin: 'stored', x509Authorities: 1 })
  })

  test('stores what others cannot read, as a SPIFFE Bundle Map, and nothing beside it', async () => {
    await storeOnce()
    expect(await readdir(directory)).toEqual([FILE])
    expect([await modeOf(directory), await modeOf(join(directory, FILE))]).toEqual(['700', '600'])
    const map = parseBundleMap(await readFile(join(directory, FILE)))
    expect([map.size, map.get(domain)?.sequence]).toEqual([1, 5n])
  })

  test('stores nothing anew while the bundle stays the same', async () => {
    await storeOnce()
    const { mtimeMs } = await stat(join(directory, FILE))
    await storeOnce()
    expect((await stat(join(directory, FILE))).mtimeMs).toBe(mtimeMs)
  })

  test('keeps the sequence across restarts, and that a bundle was cleared', async () => {
    await storeOnce()
    endpoint.send(bundleOf([next], { sequence: 4n }).stringify())
    await using federation = await following()
    const after = await federation.refresh(PARTNER)
    expect(after).toMatchObject({ sequence: 5n, lastFailure: { code: 'older-sequence' } })
    endpoint.send('{"keys":[],"spiffe_sequence":6}')
    await federation.refresh(PARTNER)
    await federation.close()
    fail()
    await using again = await following()
    expect(again.status(PARTNER)).toMatchObject({ origin: 'stored', sequence: 6n })
    expect(again.bundles.get(domain)?.authorities).toEqual([])
  })

  test('gives the bundle that an endpoint is verified with, instead of the one of the option', async () => {
    await using spiffe = await Endpoint.serve(await next.mint(ENDPOINT_ID))
    await storeOnce()
    const begin = bundleOf([next], { sequence: 4n })
    const change = {
      url: spiffe.url(),
      profile: 'https_spiffe',
      endpointSpiffeId: ENDPOINT_ID,
    } as const
    spiffe.send(bundleOf([next], { sequence: 9n }).stringify())
    const trustDomain = { trustDomain: PARTNER, ...change }
    await using older = await open({ directory, trustDomains: [{ ...trustDomain, bundle: begin }] })
    expect((await older.refresh(PARTNER)).lastFailure?.code).toBe('endpoint-refused')
    await older.close()
    // A higher sequence is how an operator says that the stored one is to be left.
    const higher = bundleOf([next], { sequence: 6n })
    await using newer = await open({
      directory,
      trustDomains: [{ ...trustDomain, bundle: higher }],
    })
    expect(newer.status(PARTNER)).toMatchObject({ origin: 'configured', sequence: 6n })
    expect(await newer.refresh(PARTNER)).toMatchObject({ state: 'ready', sequence: 9n })
  })

  test('forgets a trust domain that is followed no more', async () => {
    await using federation = await following()
    await federation.unfollow(PARTNER)
    expect(await readdir(directory)).toEqual([])
  })

  test('takes a trust domain of any name', async () => {
    const names = ['.', '..', '_', 'a'.repeat(255), `${'a'.repeat(254)}b`]
    const trustDomains = names.map((trustDomain) => followed({ trustDomain }))
    endpoint.send('{"keys":[]}')
    await using federation = await open({ trustDomains, directory })
    expect(federation.trustDomains.map(({ storeFailure }) => storeFailure)).toEqual(
      names.map(() => null),
    )
    expect(await readdir(directory)).toHaveLength(5)
    await federation.close()
    fail()
    await using again = await open({ trustDomains, directory })
    expect(again.trustDomains.map(({ origin }) => origin)).toEqual(names.map(() => 'stored'))
  })
})

describe('a stored bundle', () => {
  const other = TrustDomain.parse('other.test')

  test.each([
    ['is not JSON', () => 'hello'],
    ['is cut off', (content: string) => content.slice(0, -20)],
    ['is empty', () => ''],
    ['is of another trust domain', (content: string) => content.replace(PARTNER, other.name)],
    [
      'is beside another one',
      (content: string) => content.replace('{"partner', '{"other.test":{"keys":[]},"partner'),
    ],
    ['has a member twice', (content: string) => content.replace('{"keys"', '{"keys":[],"keys"')],
    ['is too large', () => ' '.repeat(16 * 1024 * 1024 + 1)],
  ])('that %s is ignored, and reported', async (_what, change) => {
    await storeOnce()
    const content = await readFile(join(directory, FILE), 'utf8')
    await writeFile(join(directory, FILE), change(content))
    fail()
    const events = record('federation:failed')
    await using federation = await following()
    expect(federation.status(PARTNER)).toMatchObject({ bundle: null })
    expect(events.stop()[0]).toMatchObject({ trustDomain: PARTNER, code: 'invalid-stored-bundle' })
    endpoint.send(content.slice(content.indexOf('{"keys"'), -2))
    expect(await federation.refresh(PARTNER)).toMatchObject({ sequence: 5n, storeFailure: null })
    expect(await readFile(join(directory, FILE), 'utf8')).toBe(content)
  })

  test('that is a symbolic link is neither read nor written through', async () => {
    await storeOnce()
    const elsewhere = join(root, 'elsewhere.json')
    const content = await readFile(join(directory, FILE), 'utf8')
    await writeFile(elsewhere, content)
    await rm(join(directory, FILE))
    await symlink(elsewhere, join(directory, FILE))
    endpoint.send(bundleOf([next], { sequence: 4n }).stringify())
    const events = record('federation:failed')
    await using federation = await following()
    expect(events.stop()).toMatchObject([{ code: 'invalid-stored-bundle' }])
    expect(federation.status(PARTNER)?.sequence).toBe(4n)
    await federation.close()
    expect((await lstat(join(directory, FILE))).isFile()).toBe(true)
    expect(await readFile(elsewhere, 'utf8')).toBe(content)
  })

  test('that cannot be written is reported, and the bundle is used', async () => {
    await using federation = await following()
    await rm(join(directory, FILE))
    await mkdir(join(directory, FILE))
    await writeFile(join(directory, FILE, 'x'), '')
    const events = record('federation:failed')
    endpoint.send(bundleOf([partner, next], { sequence: 6n }).stringify())
    const after = await federation.refresh(PARTNER)
    expect(after).toMatchObject({ state: 'ready', sequence: 6n })
    expect(after.storeFailure).toMatchObject({ code: 'store-failed' })
    expect(events.stop()).toMatchObject([{ code: 'store-failed', trustDomain: PARTNER }])
    expect(await readdir(directory)).toEqual([FILE])
    // It is stored as soon as it can be, although it has not changed since.
    await rm(join(directory, FILE), { recursive: true })
    expect((await federation.refresh(PARTNER)).storeFailure).toBeNull()
    expect((await lstat(join(directory, FILE))).isFile()).toBe(true)
  })
})

test.each([
  ['that others can read', 0o755],
  ['that a group can write', 0o770],
])('a directory %s is refused', async (_what, mode) => {
  const shared = join(root, 'shared')
  await mkdir(shared)
  await chmod(shared, mode)
  const opened = open({ trustDomains: [], directory: shared })
  await expect(opened).rejects.toMatchObject({ code: 'unsafe-directory' })
})

test('a file in the place of the directory is refused', async () => {
  await writeFile(join(root, 'file'), '')
  for (const path of [join(root, 'file'), join(root, 'file', 'below')]) {
    const opened = open({ trustDomains: [], directory: path })
    await expect(opened).rejects.toMatchObject({ code: 'unsafe-directory' })
  }
})
