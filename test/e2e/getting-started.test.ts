import { mkdtempSync, mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from '@jest/globals'
import { freePort } from '../spire/fixture/port.ts'
import { follow } from '../support/walkthrough.ts'

const root = fileURLToPath(new URL('../../../', import.meta.url))

test('whoever follows docs/getting-started.md gets a first 200 and a first 403', async () => {
  // Below test/, where the packages of the workspace are found; `test:packed` installs the packed ones.
  const folder = join(root, 'test/dist/getting-started')
  mkdirSync(folder, { recursive: true })
  writeFileSync(join(folder, 'package.json'), '{ "type": "module" }')
  const sockets = mkdtempSync(join(tmpdir(), 'fs-start-'))
  const port = await freePort()
  const adapt = (text: string): string =>
    text
      .replaceAll(/^(?:mkdir|npm) .*$/gm, '')
      .replaceAll('npx @fastify-spiffe/cli', `node ${root}packages/cli/bin/fastify-spiffe.js`)
      .replaceAll('/tmp/spiffe', sockets)
      .replaceAll('8443', String(port))
  try {
    const page = join(root, 'docs/getting-started.md')
    const printed = await follow({ page, folder, adapt })
    expect(printed.map(({ actual }) => actual)).toEqual(printed.map(({ expected }) => expected))
    expect(printed.map(({ actual }) => actual.slice(0, 3))).toEqual(['200', '403'])
  } finally {
    rmSync(sockets, { recursive: true })
  }
}, 60_000)
