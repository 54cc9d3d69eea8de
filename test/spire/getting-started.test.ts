import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { follow } from '../support/walkthrough.ts'
import { SpireServer, Workload } from './fixture/index.ts'
import { freePort } from './fixture/port.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('the programs of docs/getting-started.md get their 200 and their 403 on a real agent, unchanged', async () => {
  await using server = await SpireServer.start({ trustDomain: 'example.org' })
  await using orders = await Workload.start({ server, path: '/acme/orders' })
  await using web = await Workload.start({ server, path: '/acme/web' })
  await using batch = await Workload.start({ server, path: '/acme/batch' })
  const folder = join(root, 'test/dist/getting-started-spire')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const port = await freePort()
  const adapt = (text: string): string =>
    text
      .replaceAll(/^(?:mkdir|npm) .*$/gm, '')
      // The authority for development, in whose place SPIRE is.
      .replaceAll(/^npx .*$/gm, 'echo batch.sock')
      .replaceAll('unix:///tmp/spiffe/acme/orders.sock', orders.address)
      .replaceAll('unix:///tmp/spiffe/acme/web.sock', web.address)
      .replaceAll('unix:///tmp/spiffe/acme/batch.sock', batch.address)
      .replaceAll('8443', String(port))
  const printed = await follow({ page: join(root, 'docs/getting-started.md'), folder, adapt })
  expect(printed.map(({ actual }) => actual)).toEqual(printed.map(({ expected }) => expected))
}, 120_000)
