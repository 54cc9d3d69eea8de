// An application whose plugins and routes @fastify/autoload finds. Argument: the folder of the plugins.
import { fileURLToPath } from 'node:url'
import autoload from '@fastify/autoload'
import Fastify from 'fastify'
import { X509Source, spiffeServer } from 'fastify-spiffe'

const folder = (name) => fileURLToPath(new URL(name, import.meta.url))
const source = await X509Source.open()
const app = Fastify(spiffeServer(source))
app.register(autoload, { dir: folder(process.argv[2]), options: { source } })
app.register(autoload, { dir: folder('routes') })
process.once('SIGTERM', () => void app.close())
try {
  await app.listen({ host: '127.0.0.1', port: 0 })
  process.stdout.write(`port ${app.server.address().port}\n`)
} catch (error) {
  const routes = error.routes?.map(({ method, url, reason }) => `${method} ${url} ${reason}`)
  process.stdout.write(`refused ${error.code}: ${routes}\n`)
  process.exitCode = 1
  await app.close()
}
