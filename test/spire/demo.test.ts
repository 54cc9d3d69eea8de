import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, test } from '@jest/globals'
import { SpireServer, Workload } from './fixture/index.ts'

const program = fileURLToPath(new URL('../../../examples/demo/dist/main.js', import.meta.url))

test('the demo tells its story on a real agent, with a real rotation', async () => {
  await using server = await SpireServer.start({ trustDomain: 'a.test' })
  await using workload = await Workload.start({
    server,
    path: '/acme/orders',
    x509SvidTtlMs: 10_000,
  })
  const { stdout } = await promisify(execFile)(
    process.execPath,
    [program, '--socket', workload.address],
    { env: { ...process.env, NO_COLOR: '1' } },
  )
  const told = [
    /this workload is spiffe:\/\/a\.test\/acme\/orders until/,
    /GET \/orders {2}200 {2}"hello spiffe:\/\/a\.test\/acme\/orders"/,
    /403/,
    /[1-9]\d* requests, 0 failed/,
    /serial [0-9a-f]+ became [0-9a-f]+/,
    /second call: .* from the cache/,
  ]
  for (const line of told) expect(stdout).toMatch(line)
}, 120_000)
