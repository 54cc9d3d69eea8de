import { matchAny } from '@fastify-spiffe/spiffe'
import { connect, peerOf, TlsError } from '@fastify-spiffe/tls'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { rejected, type Answer } from './answer.ts'

/** Says who serves at an address, `host:port`. */
export async function dial(source: X509MaterialSource, address: string): Promise<Answer> {
  const [, host, port] = /^\[?(.+?)\]?:(\d+)$/.exec(address) ?? []
  if (host === undefined) throw new TypeError(`${JSON.stringify(address)} is not host:port`)
  try {
    const socket = await connect({
      source,
      host,
      port: Number(port),
      // The suite tests authentication: whoever has a SPIFFE ID is welcome.
      server: matchAny(),
      minVersion: 'TLSv1.2',
    })
    socket.on('error', (error) => process.stderr.write(`dial: ${error.message}\n`))
    socket.resume().end()
    return { code: 200, body: { status: 'ok', spiffe_id: String(peerOf(socket)?.spiffeId) } }
  } catch (error) {
    if (error instanceof TlsError && isRefusal(error)) return rejected(error)
    throw error
  }
}

/** Whether the verifier refused the server, or the TLS stack did before: a server that was not reached is another thing. */
export function isRefusal({ code, cause }: TlsError): boolean {
  return code === 'server-refused' || (cause instanceof Error && isOfTls(cause))
}

// Node names the errors of OpenSSL by its library; with EPROTO where it was writing.
function isOfTls(cause: Error): boolean {
  return 'code' in cause && /^(?:ERR_(?:SSL|OSSL)_|EPROTO$)/.test(String(cause.code))
}
