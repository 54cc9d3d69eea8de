import { once } from 'node:events'
import { rmSync } from 'node:fs'
import https, { type Server } from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import { Authority } from '@fastify-spiffe/authority'
import { matchId } from '@fastify-spiffe/spiffe'
import { createSvidServer, SvidAgent } from '@fastify-spiffe/tls'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import { brokenLinks } from '../support/markdown-links.ts'
import { compileExamples } from '../support/readme-compiler.ts'
import { type Document, documentPaths, extractDocuments } from '../support/readme-examples.ts'
import { type ExampleProcess, runExamples } from '../support/readme-process.ts'

const ORDERS = 'spiffe://example.org/acme/orders'

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
    source.replaceAll(
      /'@fastify-spiffe\/(?!authority')[a-z-]+(?<subpath>(?:\/[a-z-]+)?)'/g,
      "'fastify-spiffe$<subpath>'",
    ),
})

let complaints: readonly string[]
let authority: Authority
let service: Server
let processes: ExampleProcess[]

beforeAll(async () => {
  complaints = compileExamples(directory)
  authority = await Authority.create({ trustDomain: 'example.org' })
  // The workload that the programs are; the second identity is one that a program picks.
  const identities = [{ spiffeId: ORDERS }, { spiffeId: 'spiffe://example.org/web' }]
  const { address } = await authority.serve({ identities })
  // The service that they call.
  service = createSvidServer(await authority.source(ORDERS), {}, (_request, response) => {
    response.end('hello')
  })
  service.listen(0, '127.0.0.1')
  await once(service, 'listening')
  const world = {
    servicePort: portOf(service),
    endpointPath: fileURLToPath(address.replace(/^unix:/, 'file:')),
  }
  // Two processes for all documents: to start one takes longer than most programs do.
  processes = [0, 1].map((part) =>
    runExamples(documents.filter((document) => partOf(document) === part).flatMap(filesOf), world),
  )
}, 90_000)

afterAll(async () => {
  await Promise.all(processes.map((process) => process.end()))
  service.close()
  await authority.close()
})

const partOf = (document: Document): number => documents.indexOf(document) % 2
const processOf = (document: Document): ExampleProcess => processes[partOf(document)]!
const filesOf = ({ programs }: Document): string[] =>
  programs.filter(({ noRun }) => noRun === null).map(({ file }) => file)

function portOf(server: Server): number {
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('not listening on a port')
  return address.port
}

async function callAs(workload: string, port: number): Promise<string> {
  await using source = await authority.source(`spiffe://example.org/acme/${workload}`)
  const agent = new SvidAgent({ source, server: matchId(ORDERS) })
  const request = https.get(`https://127.0.0.1:${port}/orders`, { agent })
  const [response] = await once(request, 'response')
  return `${response.statusCode} ${await text(response)}`
}

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
      const outcomes = filesOf(document).map((file) => processOf(document).outcome(file))
      expect((await Promise.all(outcomes)).filter((error) => error !== null)).toEqual([])
    },
    120_000,
  )

  test('begin with a service that lets in whom its route names, and nobody else', async () => {
    const readme = documents.find(({ path }) => path === 'README.md')!
    const port = await processOf(readme).port(readme.programs[0]!.file)
    expect(await callAs('web', port)).toBe('200 hello spiffe://example.org/acme/web')
    expect(await callAs('batch', port)).toMatch(/^403 /)
  })

  test('write nothing to the standard error', async () => {
    const errors = await Promise.all(processes.map((process) => process.end()))
    expect(errors).toEqual(['', ''])
  })
})

describe('the links of the documents', () => {
  test.each([...documentPaths(root), 'CONTRIBUTING.md'])(
    'lead to files and headings that exist: %s',
    (path) => {
      expect(brokenLinks(root, path)).toEqual([])
    },
  )
})
