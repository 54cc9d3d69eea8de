// Starts applications in the layouts of `fastify start` and @fastify/autoload, and calls each as two workloads would.
// Sockets: $SPIFFE_ENDPOINT_SOCKET, $WEB_SOCKET, $OTHER_SOCKET.
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { call, expect, serve } from './calls.mjs'

const { WEB_SOCKET, OTHER_SOCKET, SPIFFE_ENDPOINT_SOCKET } = process.env
const layouts = fileURLToPath(new URL('layouts', import.meta.url))
const cli = fileURLToPath(import.meta.resolve('fastify-cli/cli.js'))

async function check(name, args, says) {
  const { port, stop } = await serve(args, layouts, says)
  const answers = [
    await call(WEB_SOCKET, port, '/orders'),
    await call(OTHER_SOCKET, port, '/orders'),
  ]
  const told = `${answers.join(', ')}, ends with ${await stop()}`
  expect(name, told, '200 hello spiffe://example.org/acme/web, 403, ends with 0')
}

/** An application that does not become ready, and ends by itself. */
function checkRefused(name, args) {
  const options = { cwd: layouts, env: { SPIFFE_ENDPOINT_SOCKET }, timeout: 60_000 }
  return new Promise((resolve, reject) => {
    execFile(process.execPath, args, options, (error, stdout) => {
      try {
        const told = `${stdout.trim()}, ends with ${error?.code ?? error?.signal ?? 0}`
        expect(name, told, 'refused uncovered-routes: GET, HEAD /orders out-of-reach, ends with 1')
        resolve()
      } catch (unexpected) {
        reject(unexpected)
      }
    })
  })
}

const start = ['start', '--options', '--log-level', 'info', '--address', '127.0.0.1', '--port', '0']
const listening = /listening at https:\/\/127\.0\.0\.1:(\d+)/
await check('fastify start', [cli, ...start, 'start.mjs'], listening)
await check('autoload, with fastify-plugin', ['autoload.mjs', 'wrapped'], /^port (\d+)$/m)
await checkRefused('autoload, without', ['autoload.mjs', 'encapsulated'])
