// Starts each bundle in turn, in a folder without node_modules, and calls it as three workloads would.
// Arguments: the folder of the bundles. Sockets: $SPIFFE_ENDPOINT_SOCKET, $WEB_SOCKET, $OTHER_SOCKET.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { readdirSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { SvidAgent, X509Source, id } from 'fastify-spiffe'

const [, , bundles] = process.argv
const server = id('spiffe://example.org/acme/orders')

async function call(address, port, path) {
  const source = await X509Source.open({ address })
  const agent = new SvidAgent({ source, server })
  const request = https.get({ host: '127.0.0.1', port, path, agent })
  const [response] = await once(request, 'response')
  const body = await text(response)
  agent.destroy()
  await source.close()
  return response.statusCode === 200 ? `200 ${body}` : String(response.statusCode)
}

function portOf(child) {
  let output = ''
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
      const port = /^port (\d+)$/m.exec(output)?.[1]
      if (port !== undefined) resolve(port)
    })
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${output}`)))
  })
}

const { WEB_SOCKET, OTHER_SOCKET, SPIFFE_ENDPOINT_SOCKET } = process.env
const files = readdirSync(bundles, { recursive: true, encoding: 'utf8' }).filter((name) =>
  /\.[cm]js$/.test(name),
)
if (files.length !== 8) throw new Error(`bundles: ${files.join(', ')}`)
for (const file of files) {
  const child = spawn(process.execPath, [join(bundles, file)], {
    cwd: bundles,
    env: { SPIFFE_ENDPOINT_SOCKET },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  const ended = once(child, 'exit')
  const port = await portOf(child)
  const answers = [
    await call(WEB_SOCKET, port, '/orders'),
    await call(OTHER_SOCKET, port, '/orders'),
    // An engine that is not there lets nobody in, and is no fault of the bundle's.
    await call(WEB_SOCKET, port, '/asked'),
  ]
  child.kill('SIGTERM')
  const [code, signal] = await ended
  const told = `${answers.join(', ')}, ends with ${code ?? signal}`
  const wanted = '200 hello spiffe://example.org/acme/web, 403, 403, ends with 0'
  if (told !== wanted) throw new Error(`${file}: ${told}`)
  process.stdout.write(`  ${file}: ${told}\n`)
}
