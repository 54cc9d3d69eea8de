// What the programs that call services share: a service in a process of its own, and a call as a workload would make it.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import https from 'node:https'
import { text } from 'node:stream/consumers'
import { SvidAgent, X509Source, matchId } from 'fastify-spiffe'

const { SPIFFE_ENDPOINT_SOCKET } = process.env
const server = matchId('spiffe://example.org/acme/orders')

/** Starts a service. `says` finds its port in what it prints. */
export async function serve(args, cwd, says) {
  const child = spawn(process.execPath, args, {
    cwd,
    env: { SPIFFE_ENDPOINT_SOCKET },
    stdio: ['ignore', 'pipe', 'inherit'],
    timeout: 60_000,
  })
  const ended = once(child, 'exit')
  const stop = async () => {
    child.kill('SIGTERM')
    const [code, signal] = await ended
    return code ?? signal
  }
  return { port: await portOf(child, says), stop }
}

function portOf(child, says) {
  let output = ''
  return new Promise((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk) => {
      output += chunk
      const port = says.exec(output)?.[1]
      if (port !== undefined) resolve(port)
    })
    child.once('exit', (code) => reject(new Error(`it ended with ${code}: ${output}`)))
  })
}

/** Calls a service as the workload whose socket is at `address`. */
export async function call(address, port, path) {
  const source = await X509Source.open({ address })
  const agent = new SvidAgent({ source, server })
  const request = https.get({ host: '127.0.0.1', port, path, agent })
  const [response] = await once(request, 'response')
  const body = await text(response)
  agent.destroy()
  await source.close()
  return response.statusCode === 200 ? `200 ${body}` : String(response.statusCode)
}

/** Prints what a service did, if it is what it has to do. */
export function expect(name, told, wanted) {
  if (told !== wanted) throw new Error(`${name}: ${told}`)
  process.stdout.write(`  ${name}: ${told}\n`)
}
