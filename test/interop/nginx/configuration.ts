import { CERTIFICATE_HEADER } from '../support/plain-http.ts'
import type { ProxySettings } from '../support/proxy.ts'
import { DNS_NAME } from '../support/scene.ts'

/** Takes HTTP, and calls the service with the SVID. */
export function clientConfiguration({ port, target, files }: ProxySettings): string {
  return around(
    files.folder,
    `listen 127.0.0.1:${port};
     location / {
       proxy_pass https://127.0.0.1:${target};
       proxy_http_version 1.1;
       proxy_ssl_certificate ${files.svid};
       proxy_ssl_certificate_key ${files.svid};
       # Without these two nginx verifies nothing at all.
       proxy_ssl_verify on;
       proxy_ssl_trusted_certificate ${files.bundle};
       proxy_ssl_name ${DNS_NAME};
       proxy_ssl_server_name on;
       proxy_ssl_session_reuse off;
       # The default ends with 1.2.
       proxy_ssl_protocols TLSv1.3;
     }`,
  )
}

/** Takes https from callers with an SVID, and hands their certificates on. */
export function serverConfiguration({ port, target, files }: ProxySettings): string {
  return around(
    files.folder,
    `listen 127.0.0.1:${port} ssl;
     ssl_certificate ${files.svid};
     ssl_certificate_key ${files.svid};
     ssl_verify_client on;
     ssl_client_certificate ${files.bundle};
     ssl_protocols TLSv1.3;
     ssl_session_tickets off;
     location / {
       proxy_pass http://127.0.0.1:${target};
       proxy_set_header ${CERTIFICATE_HEADER} $ssl_client_escaped_cert;
     }`,
  )
}

function around(folder: string, server: string): string {
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map(
    (kind) => `${kind}_temp_path ${folder}/${kind};`,
  )
  return `
    daemon off;
    worker_processes 1;
    pid ${folder}/nginx.pid;
    error_log stderr;
    # Whoever starts it as root has its files in a folder that only root may enter.
    ${process.getuid?.() === 0 ? 'user root;' : ''}
    events {}
    http {
      access_log off;
      ${temporary.join('\n')}
      server { ${server} }
    }`
}
