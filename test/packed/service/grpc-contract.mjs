// What @fastify-spiffe/grpc needs of @grpc/grpc-js, on the version that is installed here. `CLIENTS` is the module that makes
// the clients: another version of it, as a service may have beside the one of the package. Prints what was shown.
import assert from 'node:assert/strict'
import { once } from 'node:events'
import { createRequire } from 'node:module'
import tls from 'node:tls'
import { Authority } from '@fastify-spiffe/authority'
import { createGrpcClient, GrpcServer, peerOf } from '@fastify-spiffe/grpc'
import { createSvidServer, SvidAgent } from '@fastify-spiffe/tls'
import https from 'node:https'

const SERVER = 'spiffe://example.org/acme/words'
const WEB = 'spiffe://example.org/acme/web'

const clients = process.env['CLIENTS'] ?? '@grpc/grpc-js'
const { Client, status } = await import(clients)
const versionOf = (name) => createRequire(import.meta.url)(`${name}/package.json`).version

const method = (name, requestStream, responseStream) => ({
  path: `/test.v1.Words/${name}`,
  requestStream,
  responseStream,
  requestSerialize: (text) => Buffer.from(text),
  requestDeserialize: (bytes) => bytes.toString(),
  responseSerialize: (text) => Buffer.from(text),
  responseDeserialize: (bytes) => bytes.toString(),
})
const words = {
  Say: method('Say', false, false),
  Repeat: method('Repeat', false, true),
  Join: method('Join', true, false),
  Echo: method('Echo', true, true),
  Secret: method('Secret', true, true),
}

const serials = []
let refusedHandlers = 0
const implementation = {
  Say: (call, callback) => {
    serials.push(peerOf(call).serialNumber)
    callback(null, `${call.request} from ${String(peerOf(call).spiffeId)}`)
  },
  Repeat: (call) => {
    call.write(call.request)
    call.end()
  },
  Join: (call, callback) => {
    const parts = []
    call.on('data', (part) => parts.push(part)).on('end', () => callback(null, parts.join(' ')))
  },
  Echo: (call) => {
    call.on('data', (part) => call.write(part)).on('end', () => call.end())
  },
  Secret: () => refusedHandlers++,
}
const rules = { rule: { allow: [WEB] }, methods: { Secret: { allow: [SERVER] } } }

const args = ({ path, requestSerialize, responseDeserialize }) => [
  path,
  requestSerialize,
  responseDeserialize,
]
const unary = (client, text) =>
  new Promise((resolve) => {
    client.makeUnaryRequest(...args(words.Say), text, (error, answer) => resolve(error ?? answer))
  })
const answers = async (call) => {
  const parts = []
  call.on('data', (part) => parts.push(part)).on('error', () => undefined)
  // Not `once`, which rejects when the error comes before.
  const { code } = await new Promise((resolve) => call.on('status', resolve))
  return code === status.OK ? parts.join(' ') : code
}
const bidi = (client, name) =>
  client.makeBidiStreamRequest(...args(words[name])).on('error', () => undefined)

const authority = await Authority.create({ trustDomain: 'example.org' })
const serving = await authority.source(SERVER)
const web = await authority.source(WEB)

/** All that a client and a server owe each other at a port. */
async function show(port) {
  const target = `127.0.0.1:${port}`
  const client = createGrpcClient(Client, { target, source: web, server: SERVER })
  assert.equal(await unary(client, 'hello'), `hello from ${WEB}`)
  const joined = new Promise((resolve) => {
    const call = client.makeClientStreamRequest(...args(words.Join), (error, it) =>
      resolve(error ?? it),
    )
    call.write('a')
    call.write('b')
    call.end()
  })
  assert.equal(await joined, 'a b')
  assert.equal(await answers(client.makeServerStreamRequest(...args(words.Repeat), 'x')), 'x')
  const refused = bidi(client, 'Secret')
  refused.write('x')
  assert.equal(await answers(refused), status.PERMISSION_DENIED)
  assert.equal(refusedHandlers, 0)

  const echo = bidi(client, 'Echo')
  echo.write('before')
  assert.deepEqual(await once(echo, 'data'), ['before'])
  for (let round = 0; round < 3; round++) {
    await authority.rotateSvids()
    assert.equal(await unary(client, 'again'), `again from ${WEB}`)
    assert.equal(serials.at(-1), web.svid.leaf.serialNumber)
  }
  echo.write('after')
  assert.deepEqual(await once(echo, 'data'), ['after'])
  const rest = answers(echo)
  echo.end()
  assert.equal(await rest, '')
  client.close()
}

/** Calls a server with another SPIFFE ID. */
async function showWrongServer() {
  const svid = await authority.issueX509Svid(WEB)
  const evil = tls.createServer({
    cert: svid.exportCertificatesPem(),
    key: svid.exportPrivateKeyPem(),
    ALPNProtocols: ['h2'],
  })
  let bytes = 0
  evil.on('tlsClientError', () => undefined)
  evil.on('secureConnection', (socket) => {
    socket.on('error', () => undefined).on('data', ({ length }) => (bytes += length))
  })
  evil.listen(0, '127.0.0.1')
  await once(evil, 'listening')
  const target = `127.0.0.1:${evil.address().port}`
  const client = createGrpcClient(Client, { target, source: web, server: SERVER })
  const calls = await Promise.all(Array.from({ length: 10 }, () => unary(client, 'secret')))
  for (const { code, cause } of calls) {
    assert.deepEqual([code, cause?.code], [status.UNAVAILABLE, 'server-not-allowed'])
  }
  assert.equal(bytes, 0)
  client.close()
  evil.close()
}

const own = await GrpcServer.open({ source: serving })
own.addService(words, implementation, rules)
const { port } = await own.listen({ port: 0 })
await show(port)
await showWrongServer()
await own.close()

const shared = await GrpcServer.open({ source: serving })
shared.addService(words, implementation, rules)
const server = createSvidServer(serving, { grpc: shared }, (_request, response) =>
  response.end('http'),
)
server.listen(0, '127.0.0.1')
await once(server, 'listening')
await show(server.address().port)
const agent = new SvidAgent({ source: web, server: SERVER })
const [response] = await once(
  https.get({ agent, port: server.address().port, host: '127.0.0.1' }),
  'response',
)
assert.equal((await response.setEncoding('utf8').toArray()).join(''), 'http')
agent.destroy()
server.close()
await once(server, 'close')
await shared.close()
await web.close()
await serving.close()
await authority.close()
process.stdout.write(
  `  grpc-js ${versionOf('@grpc/grpc-js')}, clients of ${versionOf(clients)}: all of the contract\n`,
)
