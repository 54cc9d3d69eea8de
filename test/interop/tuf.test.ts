import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { Bundle, X509Bundle } from '@fastify-spiffe/spiffe'
import { TufBundleSource } from '@fastify-spiffe/tuf-source'
import { TufRepository } from '@fastify-spiffe/tuf-source/repository'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { goTuf } from './go-tuf/program.ts'
import { pythonTuf } from './python-tuf/program.ts'
import { LeftOut } from './support/build.ts'
import { findProgram } from './support/programs.ts'
import type { TufProgram } from './support/tuf-program.ts'

const CLIENT = fileURLToPath(new URL('../../tuf-conformance/client', import.meta.url))
const ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const
const run = promisify(execFile)

interface Implementation {
  readonly version: string
  readonly start: () => TufProgram
}

const implementations = [
  ['python-tuf', 'python3', pythonTuf],
  ['go-tuf', 'go', goTuf],
] as const

let folder: string
let www: string
let server: Server
let a: MintedCa
let b: MintedCa

beforeAll(async () => {
  a = await mintRootCa('a.test')
  b = await mintRootCa('b.test')
})

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'tuf-interop-'))
  www = join(folder, 'www')
  server = createServer(({ url = '' }, response) => {
    readFile(join(www, decodeURIComponent(url))).then(
      (content) => response.end(content),
      () => response.writeHead(404).end(),
    )
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})

afterEach(async () => {
  const closed = once(server, 'close')
  server.close()
  server.closeAllConnections()
  await closed
  await rm(folder, { recursive: true, force: true })
})

const urlOf = (): string => `http://127.0.0.1:${(server.address() as AddressInfo).port}`

function bundle(sequence: bigint, { trustDomain, certificate }: MintedCa): string {
  const x509 = X509Bundle.of(trustDomain, [certificate])
  return Bundle.of(trustDomain, { x509, sequence }).stringify()
}

async function written(name: string, content: string): Promise<string> {
  const file = join(folder, name)
  await writeFile(file, content)
  return file
}

const sha256 = (content: string | Buffer): string =>
  createHash('sha256').update(content).digest('hex')

async function open(): Promise<TufBundleSource> {
  const file = await written('root.json', await readFile(join(www, 'metadata/1.root.json'), 'utf8'))
  return TufBundleSource.open({
    metadataUrl: `${urlOf()}/metadata`,
    root: { file, sha256: sha256(await readFile(file)) },
    directory: join(folder, 'state'),
    bundles: [
      { path: 'a.json', trustDomain: 'a.test' },
      { path: 'partners/b.json', trustDomain: 'b.test' },
    ],
  })
}

for (const [name, needs, prepare] of implementations) {
  const prepared = await prepareProgram(needs, prepare)
  if (typeof prepared === 'string') test.skip(`${name} is left out: ${prepared}`, () => {})
  else describe(`${name} ${prepared.version}`, () => withProgram(prepared))
}

async function prepareProgram(
  needs: string,
  prepare: () => Promise<Implementation>,
): Promise<Implementation | string> {
  if (findProgram(needs) === undefined) return `no ${needs} on this machine`
  try {
    return await prepare()
  } catch (error) {
    if (error instanceof LeftOut) return error.message
    throw error
  }
}

function withProgram({ start }: Implementation): void {
  let program: TufProgram

  beforeAll(() => {
    program = start()
  })

  afterAll(() => program[Symbol.asyncDispose]())

  async function makeRepository(): Promise<void> {
    await program.init(www)
    await program.target('a.json', await written('a.json', bundle(1n, a)))
    await program.target('partners/b.json', await written('b.json', bundle(1n, b)))
  }

  test('its repository is followed, delegations and rotations of all keys included', async () => {
    await makeRepository()
    await using source = await open()
    expect(source.status.lastFailure).toBeNull()
    expect([source.state, source.bundles.size]).toEqual(['ready', 2])
    const next = await mintRootCa('b.test')
    for (const role of [...ROLES, 'root']) await program.rotate(role)
    await program.target('partners/b.json', await written('b.json', bundle(2n, next)))
    const status = await source.refresh()
    expect([status.lastFailure, status.rootVersion]).toEqual([null, 6])
    expect(source.bundles.get(next.trustDomain)?.has(next.certificate)).toBe(true)
    await source.close()
    await using again = await open()
    expect((await again.refresh()).lastFailure).toBeNull()
    expect(again.bundles.size).toBe(2)
  })

  test('an older state of its repository is refused', async () => {
    await makeRepository()
    const old = await readFile(join(www, 'metadata/timestamp.json'))
    await using source = await open()
    await program.target('a.json', await written('a.json', bundle(2n, a)))
    expect((await source.refresh()).lastFailure).toBeNull()
    await writeFile(join(www, 'metadata/timestamp.json'), old)
    expect((await source.refresh()).lastFailure?.code).toBe('rollback')
  })

  test('its repository is followed by the command line of the conformance suite', async () => {
    await makeRepository()
    const [metadata, targets] = ['m', 't'].map((each) => join(folder, each))
    await mkdir(targets ?? '')
    const base = ['--metadata-dir', metadata ?? '']
    await run(CLIENT, [...base, 'init', join(www, 'metadata/1.root.json')])
    for (const role of ROLES) await program.rotate(role)
    const urls = [...base, '--metadata-url', `${urlOf()}/metadata`]
    await run(CLIENT, [...urls, 'refresh'])
    const to = ['--target-base-url', `${urlOf()}/targets`, '--target-dir', targets ?? '']
    const download = (path: string) =>
      run(CLIENT, [...urls, '--target-name', path, ...to, 'download'])
    await download('partners/b.json')
    await expect(download('partners/none.json')).rejects.toMatchObject({ code: 1 })
    const names = (await readdir(metadata ?? '')).toSorted()
    expect(names).toEqual([
      'partners.json',
      'root.json',
      'snapshot.json',
      'targets.json',
      'timestamp.json',
    ])
    const [file = ''] = await readdir(targets ?? '')
    expect(await readFile(join(targets ?? '', file), 'utf8')).toBe(bundle(1n, b))
  })

  test('its client follows our repository, rotations included', async () => {
    const repository = await TufRepository.open({
      directory: www,
      keys: join(folder, 'keys'),
      rootKeys: join(folder, 'root-keys'),
    })
    const root = await repository.init()
    const publish = (text: string): Promise<void> =>
      repository.publish({ add: new Map([['partners/a.json', Buffer.from(text)]]) })
    const fetch = (): Promise<string> =>
      program.fetch(urlOf(), root.file, join(folder, 'client'), 'partners/a.json')
    await mkdir(join(folder, 'client'))
    await publish(bundle(1n, a))
    expect(await fetch()).toBe(sha256(bundle(1n, a)))
    for (const role of ROLES) await repository.rotate(role)
    await publish(bundle(2n, a))
    expect(await fetch()).toBe(sha256(bundle(2n, a)))
  })
}
