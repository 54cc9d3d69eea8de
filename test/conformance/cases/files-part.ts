import { chmod, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { mintRootCa, type MintedCa, type MintedCertificate } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN } from '../driver/agent.ts'
import type { ControlAnswer } from '../driver/control-port.ts'
import type { Stage } from '../driver/stage.ts'
import { keepsPresenting, untilPresented } from '../driver/watch.ts'
import { expectEqual, expectThat, type ConformanceCase } from '../suite/case.ts'
import { FOREIGN_DOMAIN, FOREIGN_ID, PEER_ID } from './peer-case.ts'
import { servingParts, type PartScene } from './part-scene.ts'

/** Files of an authority that the Workload API knows nothing of. */
class Files implements AsyncDisposable {
  readonly home: MintedCa
  readonly client: MintedCertificate
  readonly #folder: string
  readonly #foreign: MintedCa

  private constructor(
    folder: string,
    authorities: readonly [MintedCa, MintedCa],
    client: MintedCertificate,
  ) {
    this.#folder = folder
    this.home = authorities[0]
    this.#foreign = authorities[1]
    this.client = client
  }

  static async write({ foreign }: PartScene): Promise<Files> {
    const folder = await mkdtemp(join(tmpdir(), 'conformance-files-'))
    const home = await mintRootCa(TRUST_DOMAIN)
    const files = new Files(folder, [home, foreign], await home.mint(PEER_ID))
    await files.put(await home.mint(HARNESS_ID))
    return files
  }

  /** The body of the command that uses them. */
  get body(): {
    readonly svid: string
    readonly key: string
    readonly bundles: Record<string, string>
  } {
    return {
      svid: this.path('svid.pem'),
      key: this.path('key.pem'),
      bundles: {
        [TRUST_DOMAIN]: this.path('bundle.pem'),
        [FOREIGN_DOMAIN]: this.path('foreign.pem'),
      },
    }
  }

  path(name: string): string {
    return join(this.#folder, name)
  }

  /** Writes all of them in place, one after the other. */
  async put({ certificatesPem, privateKeyPem }: MintedCertificate): Promise<void> {
    await writeFile(this.path('key.pem'), privateKeyPem, { mode: 0o600 })
    await writeFile(this.path('svid.pem'), certificatesPem)
    await writeFile(this.path('bundle.pem'), this.home.certificatePem)
    await writeFile(this.path('foreign.pem'), this.#foreign.certificatePem)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await rm(this.#folder, { recursive: true })
  }
}

interface FilesScene extends PartScene {
  readonly files: Files
  readonly use: (body?: object) => Promise<ControlAnswer>
}

async function withFiles(stage: Stage): Promise<FilesScene> {
  const scene = await servingParts(stage, 'files')
  const files = await stage.use(Files.write(scene))
  const use = (body: object = files.body): Promise<ControlAnswer> =>
    scene.harness.control.post('/v2/files/use', body)
  return { ...scene, files, use }
}

async function expectUsed({ use }: FilesScene): Promise<void> {
  const { code, body } = await use()
  expectEqual(`${code} ${String(body['spiffe_id'])}`, `200 ${HARNESS_ID}`, 'the outcome')
}

export const filesPart: readonly ConformanceCase[] = [
  {
    name: 'FILES-1',
    level: 'core',
    title: 'the SVID and the bundles of files are used, and no longer those of the Workload API',
    rule: 'the harness, files',
    run: async (stage) => {
      const scene = await withFiles(stage)
      const { harness, client, files, foreign } = scene
      expectEqual((await harness.present({ material: client })).line, PEER_ID, 'before')
      await expectUsed(scene)
      expectEqual((await harness.present({ material: files.client })).line, PEER_ID, 'after')
      const other = await harness.present({ material: await foreign.mint(FOREIGN_ID) })
      expectEqual(other.line, FOREIGN_ID, 'a peer of the other trust domain')
      const { line, server } = await harness.present({ material: client })
      expectEqual(line, null, 'a peer of the authority before')
      expectThat(server !== null, 'nothing was presented')
      const { body } = await harness.control.get('/v2/state')
      expectEqual(
        `${String(body['spiffe_id'])} ${String(body['state'])}`,
        `${HARNESS_ID} ready`,
        'state',
      )
    },
  },
  {
    name: 'FILES-2',
    level: 'core',
    title: 'each renewal of the files is presented, and half of one never',
    rule: 'the harness, files',
    run: async (stage) => {
      const scene = await withFiles(stage)
      const { harness, files } = scene
      await expectUsed(scene)
      let held = await files.home.mint(HARNESS_ID)
      await files.put(held)
      await untilPresented(harness, files.client, held)
      const next = await files.home.mint(HARNESS_ID)
      await writeFile(files.path('key.pem'), next.privateKeyPem)
      await keepsPresenting(harness, files.client, held)
      held = next
      await writeFile(files.path('new.pem'), held.certificatesPem)
      await rename(files.path('new.pem'), files.path('svid.pem'))
      await untilPresented(harness, files.client, held)
    },
  },
  {
    name: 'FILES-3',
    level: 'core',
    title: 'files that are unsafe or no good set are refused, and what was in use stays',
    rule: 'the harness, files',
    run: async (stage) => {
      const scene = await withFiles(stage)
      const { harness, client, files, use } = scene
      const expectRefused = async (what: string, body: object = files.body): Promise<void> => {
        const { code, body: answer } = await use(body)
        expectEqual(`${code} ${String(answer['status'])}`, '422 rejected', what)
        expectEqual((await harness.present({ material: client })).line, PEER_ID, `after ${what}`)
      }
      await chmod(files.path('key.pem'), 0o644)
      await expectRefused('a key that everybody can read')
      await chmod(files.path('key.pem'), 0o600)
      await chmod(files.path('bundle.pem'), 0o666)
      await expectRefused('a bundle that everybody can write')
      await chmod(files.path('bundle.pem'), 0o644)
      await expectRefused('a missing key', { ...files.body, key: files.path('none') })
      await expectRefused('no bundle of its own', {
        ...files.body,
        bundles: { [FOREIGN_DOMAIN]: files.path('foreign.pem') },
      })
      const other = await files.home.mint(HARNESS_ID)
      await writeFile(files.path('key.pem'), other.privateKeyPem)
      await expectRefused('the key of another SVID')
      await files.put(other)
      await expectUsed(scene)
    },
  },
]
