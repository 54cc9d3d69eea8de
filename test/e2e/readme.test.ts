import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { compileExamples } from '../support/readme-compiler.ts'
import { type Document, extractDocuments, type Program } from '../support/readme-examples.ts'
import { type ExampleProcess, runExamples } from '../support/readme-process.ts'
import { openWebCertificates } from '../support/readme-web-certificates.ts'
import { ReadmeWorld } from '../support/readme-world.ts'
import { writeStaticCertificates } from '@fastify-spiffe-test/kit/static-certificates'
import { describeMigrating } from './readme/migrating.ts'
import { describePlugins } from './readme/plugins.ts'
import { describeRecipes } from './readme/recipes.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))
const directory = join(root, 'test/dist/readme')
rmSync(directory, { recursive: true, force: true })
const placed = (name: string): { sources: string; output: string } => ({
  sources: join(directory, 'src', name),
  output: join(directory, 'out', name),
})
const documents = extractDocuments(root, placed('as-they-stand'))
const alone = extractDocuments(root, {
  ...placed('alone'),
  change: (source) =>
    source
      // Not in the root: it needs a library that not every service has.
      .replaceAll("'@fastify-spiffe/fetch'", "'fastify-spiffe/fetch'")
      .replaceAll(
        /'@fastify-spiffe\/(?!authority'|bundle-endpoint'|engine-|grpc'|health'|ocsp'|tuf-source)[a-z-]+(?<subpath>(?:\/[a-z-]+)?)'/g,
        "'fastify-spiffe$<subpath>'",
      ),
})

let complaints: readonly string[]
let world: ReadmeWorld
let running: ExampleProcess
let webCertificates: AsyncDisposable

beforeAll(async () => {
  complaints = compileExamples(directory)
  await writeStaticCertificates(join(placed('as-they-stand').output, 'docs-migrating/tls'))
  webCertificates = await openWebCertificates(
    ['packages-ocsp', 'docs-ocsp'].map((name) => join(placed('as-they-stand').output, name)),
  )
  world = await ReadmeWorld.open()
  // One process for all documents: to start one takes longer than most programs do.
  running = runExamples(documents.flatMap(filesOf), world.runner)
}, 90_000)

afterAll(async () => {
  await running.end()
  await world.close()
  await webCertificates[Symbol.asyncDispose]()
})

const filesOf = ({ programs }: Document): string[] =>
  programs.filter(({ noRun }) => noRun === null).map(({ file }) => file)

const documentAt = (path: string): Document => documents.find((document) => document.path === path)!

/** The first program below a heading, or of the document. */
function fileOf(path: string, heading?: string): string {
  const { programs } = documentAt(path)
  const isMeant = (program: Program): boolean =>
    heading === undefined || program.heading === heading
  return programs.find(isMeant)!.file
}

const portsOf = (path: string, heading?: string): Promise<readonly number[]> =>
  running.ports(fileOf(path, heading))

describe('the examples of the documents', () => {
  test('compile under strict', () => {
    expect(complaints.filter((line) => !line.startsWith('src/alone/'))).toEqual([])
  })

  test('compile with what `fastify-spiffe` alone gives, and the authority beside it', () => {
    expect(alone.length).toBe(documents.length)
    expect(complaints.filter((line) => line.startsWith('src/alone/'))).toEqual([])
  })

  test.each(documents.map((document) => [document.path, document] as const))(
    'run as they stand: %s',
    async (_path, document) => {
      const outcomes = filesOf(document).map((file) => running.outcome(file))
      expect((await Promise.all(outcomes)).filter((error) => error !== null)).toEqual([])
    },
    120_000,
  )

  test('begin with a service that lets in the callers that its route names, and nobody else', async () => {
    const [port] = await portsOf('README.md')
    const web = await world.call(port!, '/orders')
    expect([web.status, web.body]).toEqual([200, 'hello spiffe://example.org/acme/web'])
    expect((await world.call(port!, '/orders', { as: '/acme/batch' })).status).toBe(403)
  })
})

const documented = { fileOf, portsOf, world: (): ReadmeWorld => world }
describeRecipes(documented)
describePlugins(documented)
describeMigrating({ ...documented, folder: join(placed('as-they-stand').output, 'docs-migrating') })

describe('the process of the examples', () => {
  test('writes nothing to the standard error', async () => {
    expect(await running.end()).toBe('')
  })
})
