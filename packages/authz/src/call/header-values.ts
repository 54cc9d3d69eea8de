import type { FastifyRequest } from 'fastify'

/**
 * How often a header occurs in a request. `request.headers` does not say: it has the first of some
 * headers, and joins others.
 */
export function countHeader({ raw }: FastifyRequest, name: string): number {
  const { rawHeaders } = raw
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    const other = rawHeaders[index]
    if (other !== undefined && other.length === name.length && other.toLowerCase() === name) count++
  }
  return count
}

/**
 * Whether a header occurs in a request more often than it may. RFC 9113 §8.2.3: HTTP/2 may split
 * `cookie`, which counts as one.
 */
export function isRepeated(request: FastifyRequest, name: string): boolean {
  if (countHeader(request, name) < 2) return false
  return name !== 'cookie' || request.raw.httpVersionMajor < 2
}
