// Starts each bundle in turn, in a folder without node_modules, and calls it as three workloads would.
// Arguments: the folder of the bundles. Sockets: $SPIFFE_ENDPOINT_SOCKET, $WEB_SOCKET, $OTHER_SOCKET.
import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { call, expect, serve } from './calls.mjs'

const [, , bundles] = process.argv
const { WEB_SOCKET, OTHER_SOCKET } = process.env
// What webpack puts into files of its own, such as what verifies tokens, its bundles load by themselves.
const files = readdirSync(bundles, { recursive: true, encoding: 'utf8' }).filter(
  (name) => /\.[cm]js$/.test(name) && !name.includes('.webpack.'),
)
if (files.length !== 8) throw new Error(`bundles: ${files.join(', ')}`)
for (const file of files) {
  const { port, stop } = await serve([join(bundles, file)], bundles, /^port (\d+)$/m)
  const answers = [
    await call(WEB_SOCKET, port, '/orders'),
    await call(OTHER_SOCKET, port, '/orders'),
    // An engine that is not there lets nobody in, and is no fault of the bundle's.
    await call(WEB_SOCKET, port, '/asked'),
  ]
  const told = `${answers.join(', ')}, ends with ${await stop()}`
  expect(file, told, '200 hello spiffe://example.org/acme/web, 403, 403, ends with 0')
}
