import type { FastifyRequest } from 'fastify'
import { countHeader } from './header-values.ts'

/** RFC 3986 §3.2.2: a registered name as DNS has it, or an address in brackets; then a port. */
const HOST = /^(?<name>[\w-]+(?:\.[\w-]+)*|\[[\da-f:.]+\])(?::\d{1,5})?$/i
/** RFC 9112 §3.2.2: the absolute form of a target, which names a host itself. */
const ABSOLUTE = /^[a-z][a-z\d+.-]*:\/\/([^/?#]*)/i

/**
 * The host that a request is for, without its port: `undefined` where it names none; `null` where it names several, or one
 * that two readers could understand differently.
 *
 * Whatever may name the host has to name the same, octet for octet: `Host`, which stands once (RFC 9112 §3.2),
 * `:authority` (RFC 9113 §8.3.1), and a target in absolute form. Behind a proxy that Fastify trusts (`trustProxy`) the
 * host is what `X-Forwarded-Host` says, once, whatever the proxy calls this service.
 */
export function hostOf(request: FastifyRequest): string | undefined | null {
  if (countHeader(request, 'host') > 1) return null
  const { host } = request
  const [own, ...others] = new Set(namesIn(request))
  if (others.length > 0) return null
  if (own === undefined) return host === '' ? undefined : null
  if (host !== own && !isForwarded(request, host)) return null
  return nameOf(own) === null ? null : nameOf(host)
}

/** Everything that the request itself says of its host. */
function namesIn({ headers, raw, originalUrl }: FastifyRequest): readonly string[] {
  const named = [
    headers.host,
    headers[':authority'],
    authorityOf(raw.url),
    authorityOf(originalUrl),
  ]
  return named.filter((name) => typeof name === 'string')
}

/** `undefined` for a target that is a path, or `*`. */
function authorityOf(target: string | undefined): string | undefined {
  if (target === undefined || target.startsWith('/') || target === '*') return undefined
  return ABSOLUTE.exec(target)?.[1] ?? ''
}

/** Fastify takes the last of several. */
function isForwarded(request: FastifyRequest, host: string): boolean {
  return (
    request.headers['x-forwarded-host'] === host && countHeader(request, 'x-forwarded-host') === 1
  )
}

function nameOf(host: string): string | null {
  return HOST.exec(host)?.groups?.['name'] ?? null
}
