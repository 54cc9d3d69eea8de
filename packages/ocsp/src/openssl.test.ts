import { execFile, execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, test } from '@jest/globals'
import Fastify, { type FastifyInstance } from 'fastify'
import { ocsp, type OcspOptions } from './index.ts'

const run = promisify(execFile)

function isThere(program: string, ...args: string[]): boolean {
  try {
    execFileSync(program, args, { stdio: 'ignore' })
    return true
  } catch {
    process.stderr.write(`skipped: OCSP with ${program}, which is not there\n`)
    return false
  }
}

const hasOpenssl = isThere('openssl', 'version')
const hasCurl = isThere('curl', '--version')

/** A CA made by OpenSSL, with a delegated responder and an index of what it has issued. */
class OpensslCa {
  readonly folder: string = mkdtempSync(join(tmpdir(), 'ocsp-openssl-'))

  constructor() {
    this.#writeIndex('V')
    writeFileSync(
      this.path('web.cnf'),
      'subjectAltName=DNS:localhost\ntlsfeature=status_request\nauthorityInfoAccess=OCSP;URI:http://127.0.0.1:1/\n',
    )
    writeFileSync(this.path('responder.cnf'), 'extendedKeyUsage=OCSPSigning\nnoCheck=ignored\n')
    this.#key('ca')
    this.#run(
      'req',
      '-x509',
      '-new',
      '-key',
      'ca.key',
      '-subj',
      '/O=CA',
      '-days',
      '2',
      '-out',
      'ca.pem',
    )
    this.#issue('web', '4097')
    this.#issue('responder', '4098')
    const chain = this.read('web.pem') + this.read('ca.pem')
    writeFileSync(this.path('chain.pem'), chain)
  }

  path(name: string): string {
    return join(this.folder, name)
  }

  read(name: string): string {
    return readFileSync(this.path(name), 'utf8')
  }

  revoke(): void {
    this.#writeIndex('R')
  }

  reinstate(): void {
    this.#writeIndex('V')
  }

  #writeIndex(status: 'V' | 'R'): void {
    const at = status === 'R' ? '260101000000Z,keyCompromise' : ''
    writeFileSync(
      this.path('index.txt'),
      `${status}\t491231235959Z\t${at}\t1001\tunknown\t/CN=localhost\n`,
    )
  }

  #issue(name: string, serial: string): void {
    this.#key(name)
    const subject = name === 'web' ? '/CN=localhost' : '/CN=responder'
    this.#run('req', '-new', '-key', `${name}.key`, '-subj', subject, '-out', `${name}.csr`)
    const by = ['-CA', 'ca.pem', '-CAkey', 'ca.key', '-set_serial', serial, '-days', '2']
    const files = ['-in', `${name}.csr`, '-out', `${name}.pem`, '-extfile', `${name}.cnf`]
    this.#run('x509', '-req', ...by, ...files)
  }

  #key(name: string): void {
    this.#run('ecparam', '-name', 'prime256v1', '-genkey', '-noout', '-out', `${name}.key`)
  }

  #run(...args: string[]): void {
    execFileSync('openssl', args, { cwd: this.folder, stdio: 'ignore' })
  }
}

/**
 * `openssl ocsp` as the responder. It would listen on all addresses, so that this one does, on loopback alone, and writes as
 * OpenSSL does: HTTP/1.0, and the end of the connection.
 */
class OpensslResponder implements AsyncDisposable {
  readonly #ca: OpensslCa
  readonly #server: Server
  readonly #options: readonly string[]

  private constructor(ca: OpensslCa, options: readonly string[]) {
    this.#ca = ca
    this.#options = options
    this.#server = createServer((socket) => void this.#answer(socket).catch(() => socket.destroy()))
  }

  static async serve(ca: OpensslCa, ...options: string[]): Promise<OpensslResponder> {
    const responder = new OpensslResponder(ca, options)
    responder.#server.listen(0, '127.0.0.1')
    await once(responder.#server, 'listening')
    return responder
  }

  get url(): string {
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}/`
  }

  async #answer(socket: Socket): Promise<void> {
    const request = await this.#read(socket)
    writeFileSync(this.#ca.path('request.der'), request)
    const files = ['-reqin', 'request.der', '-respout', 'response.der']
    const base = ['ocsp', '-index', 'index.txt', '-CA', 'ca.pem', ...files, ...this.#options]
    await run('openssl', base, { cwd: this.#ca.folder })
    const response = readFileSync(this.#ca.path('response.der'))
    const head = `HTTP/1.0 200 OK\r\nContent-type: application/ocsp-response\r\nContent-Length: ${response.length}\r\n\r\n`
    socket.end(Buffer.concat([Buffer.from(head), response]))
  }

  async #read(socket: Socket): Promise<Buffer> {
    let all = Buffer.alloc(0)
    for (;;) {
      const [chunk] = (await once(socket, 'data')) as [Buffer]
      all = Buffer.concat([all, chunk])
      const end = all.indexOf('\r\n\r\n')
      const length = /content-length: (\d+)/i.exec(all.toString('latin1'))?.[1]
      if (end !== -1 && length !== undefined && all.length >= end + 4 + Number(length)) {
        return all.subarray(end + 4)
      }
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = once(this.#server, 'close')
    this.#server.close()
    await closed
  }
}

const DELEGATE = ['-rsigner', 'responder.pem', '-rkey', 'responder.key']
const ISSUER = ['-rsigner', 'ca.pem', '-rkey', 'ca.key', '-resp_no_certs', '-resp_key_id']

async function application(
  ca: OpensslCa,
  responderUrl: string,
  options: OcspOptions = {},
): Promise<FastifyInstance> {
  const app = Fastify({ https: { cert: ca.read('chain.pem'), key: ca.read('web.key') } })
  await app.register(ocsp, { responderUrl, ...options })
  app.get('/', () => 'hello')
  await app.listen({ host: '127.0.0.1', port: 0 })
  return app
}

const portOf = (app: FastifyInstance): number => (app.server.address() as AddressInfo).port

/** What `openssl s_client -status` prints. */
async function sClient(ca: OpensslCa, app: FastifyInstance, ...args: string[]): Promise<string> {
  const options = ['-connect', `127.0.0.1:${portOf(app)}`, '-status', '-CAfile', ca.path('ca.pem')]
  const child = spawn('openssl', ['s_client', ...options, ...args], {
    stdio: ['pipe', 'pipe', 'ignore'],
  })
  child.stdin.end()
  return text(child.stdout)
}

/** How `curl --cert-status` ends, 0 for a good staple, and what it prints. */
function curl(ca: OpensslCa, app: FastifyInstance): Promise<{ code: number; out: string }> {
  const port = portOf(app)
  const target = ['--resolve', `localhost:${port}:127.0.0.1`, `https://localhost:${port}/`]
  const options = ['--silent', '--cert-status', '--cacert', ca.path('ca.pem'), ...target]
  return run('curl', options).then(
    ({ stdout }) => ({ code: 0, out: stdout }),
    (error: { code: number }) => ({ code: error.code, out: '' }),
  )
}

const withOpenssl = hasOpenssl ? describe : describe.skip
const withCurl = hasOpenssl && hasCurl ? test : test.skip

withOpenssl('with openssl', () => {
  let ca: OpensslCa

  beforeAll(() => {
    ca = new OpensslCa()
  })

  afterAll(() => rmSync(ca.folder, { recursive: true }))

  test.each([
    ['a delegated responder', DELEGATE, {}],
    ['the issuer, without certificates', ISSUER, {}],
    ['SHA-256 and a nonce', DELEGATE, { certIdHash: 'sha256', nonce: 'required' }],
  ] as const)(
    'answers of %s are taken, and s_client finds them good',
    async (_, signer, options) => {
      await using responder = await OpensslResponder.serve(ca, ...signer, '-nmin', '60')
      await using app = await application(ca, responder.url, options)
      expect(app.ocsp.staples).toMatchObject([{ stapled: true, mustStaple: true }])
      for (const version of ['-tls1_2', '-tls1_3']) {
        const out = await sClient(ca, app, version)
        expect(out).toContain('OCSP Response Status: successful (0x0)')
        expect(out).toContain('Cert Status: good')
        expect(out).not.toContain('WARNING')
      }
    },
  )

  withCurl('curl --cert-status gets through with a good staple, and not without one', async () => {
    await using responder = await OpensslResponder.serve(ca, ...DELEGATE, '-nmin', '60')
    await using app = await application(ca, responder.url)
    expect(await curl(ca, app)).toEqual({ code: 0, out: 'hello' })
    ca.revoke()
    try {
      await app.ocsp.refresh()
      expect(app.ocsp.staples).toMatchObject([{ status: 'revoked', stapled: false }])
      // 91: invalid certificate status.
      expect(await curl(ca, app)).toEqual({ code: 91, out: '' })
    } finally {
      ca.reinstate()
    }
  })

  test('an answer without a next update is not stapled', async () => {
    await using responder = await OpensslResponder.serve(ca, ...DELEGATE)
    const options = { allowStartWithoutStaple: true }
    await using app = await application(ca, responder.url, options)
    expect(app.ocsp.staples).toMatchObject([{ lastFailure: { code: 'no-next-update' } }])
    expect(await sClient(ca, app)).toContain('OCSP response: no response sent')
  })

  test('an answer of any other certificate of the CA is not stapled', async () => {
    const leaf = ['-rsigner', 'web.pem', '-rkey', 'web.key', '-nmin', '60']
    await using responder = await OpensslResponder.serve(ca, ...leaf)
    const options = { allowStartWithoutStaple: true }
    await using app = await application(ca, responder.url, options)
    expect(app.ocsp.staples).toMatchObject([{ lastFailure: { code: 'responder-not-authorized' } }])
  })
})
