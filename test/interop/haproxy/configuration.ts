import { join } from 'node:path'
import { CERTIFICATE_HEADER } from '../support/plain-http.ts'
import type { ProxySettings } from '../support/proxy.ts'
import type { SvidFiles } from '../support/svid-files.ts'
import { DNS_NAME } from '../support/scene.ts'

/** Where the runtime API listens. */
export function adminSocket({ folder }: SvidFiles): string {
  return join(folder, 'admin.sock')
}

/** Takes HTTP, and calls the service with the SVID. */
export function clientConfiguration({ port, target, files }: ProxySettings): string {
  const tls = `ssl crt ${files.svid} ca-file ${files.bundle} ssl-min-ver TLSv1.3 no-ssl-reuse`
  return around(
    files,
    `bind 127.0.0.1:${port}
  server target 127.0.0.1:${target} ${tls} verify required verifyhost ${DNS_NAME}`,
  )
}

/** Takes https from callers with an SVID, and hands their certificates on. */
export function serverConfiguration({ port, target, files }: ProxySettings): string {
  const tls = `ssl crt ${files.svid} ca-file ${files.bundle} ssl-min-ver TLSv1.3`
  return around(
    files,
    `bind 127.0.0.1:${port} ${tls} verify required
  http-request set-header ${CERTIFICATE_HEADER} %[ssl_c_der,base64]
  server target 127.0.0.1:${target}`,
  )
}

function around(files: SvidFiles, proxy: string): string {
  return `
global
  stats socket ${adminSocket(files)} mode 600 level admin

defaults
  mode http
  option httpclose
  http-reuse never
  timeout connect 10s
  timeout client 10s
  timeout server 10s

listen proxy
  ${proxy}
`
}
