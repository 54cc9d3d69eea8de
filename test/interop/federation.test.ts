import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Authority, type InProcessSource, type MintedCa } from '@fastify-spiffe/authority'
import { Federation, type FollowOptions } from '@fastify-spiffe/federation'
import { Bundle, TrustDomain } from '@fastify-spiffe/spiffe'
import { afterAll, beforeAll, beforeEach, afterEach, describe, expect, test } from '@jest/globals'
import { mintWebCa, publishBySpiffe, publishByWeb } from '../spire/support/publisher.ts'
import {
  GoEndpoint,
  goFederation,
  type GoFederation,
  GoWatcher,
  type ServeAuth,
} from './go-federation/program.ts'
import { type Command, LeftOut } from './support/build.ts'
import { findProgram } from './support/programs.ts'

const DOMAIN = TrustDomain.parse('a.test')
const ENDPOINT = 'spiffe://a.test/bundles'

const program = await prepareProgram()

async function prepareProgram(): Promise<GoFederation | string> {
  if (findProgram('go') === undefined) return 'no go on this machine'
  try {
    return await goFederation()
  } catch (error) {
    if (error instanceof LeftOut) return error.message
    throw error
  }
}

if (typeof program === 'string') {
  test.skip(`go-federation is left out: ${program}`, () => {})
} else {
  describe(`go-federation ${program.version}`, () => federate(program.command))
}

interface Ends {
  readonly auth: ServeAuth
  readonly options: Omit<FollowOptions, 'trustDomain' | 'url'>
}

function bySpiffe(first: Bundle): Ends {
  const bundle = first.stringify()
  const options = { profile: 'https_spiffe', endpointSpiffeId: ENDPOINT, bundle } as const
  return { auth: ['spiffe'], options }
}

function federate(command: Command): void {
  let folder: string
  let webCa: MintedCa
  let authority: Authority
  let source: InProcessSource
  const file = (name: string): string => join(folder, name)

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'go-federation-'))
    webCa = await mintWebCa()
    await writeFile(file('web-ca.pem'), webCa.certificatePem)
  })

  afterAll(() => rm(folder, { recursive: true }))

  beforeEach(async () => {
    authority = await Authority.create({ trustDomain: DOMAIN })
    source = await authority.source(ENDPOINT)
  })

  afterEach(async () => {
    await source.close()
    await authority.close()
  })

  /** Writes what the authority has into a file, as a publisher would. */
  async function writeBundle(name: string, sequence: bigint): Promise<Bundle> {
    const parts = { x509: authority.bundle, jwt: authority.jwt.bundle, sequence }
    const bundle = Bundle.of(DOMAIN, { ...parts, refreshHintMs: 10_000 })
    await writeFile(file(name), bundle.stringify())
    return bundle
  }

  test('watches our endpoint by https_spiffe, over a rotation of the authority that it is verified by', async () => {
    await writeBundle('first', 1n)
    await using publisher = await publishBySpiffe(source)
    const auth = ['spiffe', ENDPOINT, file('first')] as const
    await using watcher = new GoWatcher(command, 'a.test', publisher.url, auth)
    const first = await watcher.next()
    expect(first).toMatchObject({ refreshHint: 60, x509: 1, jwt: 1 })

    await authority.addAuthority()
    const second = await watcher.next()
    expect(second).toMatchObject({ x509: 2, jwt: 1 })
    await authority.activateAuthority()
    await authority.rotateSvids()
    await authority.removeAuthority()
    // Verified by the second authority alone.
    const third = await watcher.next()
    expect(third).toMatchObject({ x509: 1, jwt: 1 })
    await authority.jwt.addAuthority()
    const fourth = await watcher.next()
    expect(fourth).toMatchObject({ x509: 1, jwt: 2 })
    const sequences = [first, second, third, fourth].map(({ sequence }) => sequence)
    expect(sequences).toEqual([...new Set(sequences)].toSorted((a, b) => (a < b ? -1 : 1)))
  })

  test('watches our endpoint by https_web', async () => {
    await using publisher = await publishByWeb(source, webCa)
    const auth = ['web', file('web-ca.pem')] as const
    await using watcher = new GoWatcher(command, 'a.test', publisher.url, auth)
    expect(await watcher.next()).toMatchObject({ refreshHint: 300, x509: 1, jwt: 1 })
    await authority.rotateAuthority()
    expect(await watcher.next()).toMatchObject({ x509: 2, jwt: 1 })
  })

  test('takes nothing of our endpoint when it expects another SPIFFE ID', async () => {
    await writeBundle('first', 1n)
    await using publisher = await publishBySpiffe(source)
    const auth = ['spiffe', 'spiffe://a.test/other', file('first')] as const
    await using watcher = new GoWatcher(command, 'a.test', publisher.url, auth)
    await expect(watcher.next()).rejects.toThrow('unexpected ID "spiffe://a.test/bundles"')
  })

  test.each(['https_spiffe', 'https_web'] as const)(
    'serves what we follow by %s',
    async (profile) => {
      const first = await writeBundle('served', 7n)
      await using workload = await authority.serve({ spiffeId: ENDPOINT })
      const { auth, options } = profile === 'https_web' ? await byWeb() : bySpiffe(first)
      await using endpoint = await GoEndpoint.start(
        command,
        'a.test',
        file('served'),
        auth,
        workload.address,
      )
      await using federation = await Federation.open({})
      const url = `https://localhost:${endpoint.port}/`
      const held = await federation.follow({ trustDomain: 'a.test', url, ...options })
      expect(held).toMatchObject({ state: 'ready', sequence: 7n })

      await authority.addAuthority()
      await authority.jwt.addAuthority()
      const second = await writeBundle('served', 8n)
      await endpoint.reload()
      expect(await federation.refresh('a.test')).toMatchObject({ state: 'ready', sequence: 8n })
      expect(federation.bundles.get(DOMAIN)?.equals(second.x509)).toBe(true)
      expect(federation.jwtBundles.get(DOMAIN)?.equals(second.jwt)).toBe(true)
    },
  )

  async function byWeb(): Promise<Ends> {
    const leaf = await webCa.mint('spiffe://web.test/x', { uris: [], dnsNames: ['localhost'] })
    await writeFile(file('web.pem'), leaf.certificatesPem)
    await writeFile(file('web-key.pem'), leaf.privateKeyPem)
    const options = { profile: 'https_web', ca: webCa.certificatePem } as const
    return { auth: ['web', file('web.pem'), file('web-key.pem')], options }
  }
}
