/** Deadlines in milliseconds: of an engine on this machine, and of one elsewhere. */
const SIDECAR_TIMEOUT_MS = 50
const NETWORK_TIMEOUT_MS = 200

const LOOPBACK = /^(?:localhost|127(?:\.\d{1,3}){3}|\[::1\])$/

/** Whether a host, as URLs write it, is this machine for sure. */
export function isLoopback(host: string): boolean {
  return LOOPBACK.test(host)
}

/** How long a remote engine may take by default, in ms: less on this machine than elsewhere. */
export function timeoutFor(isLocal: boolean): number {
  return isLocal ? SIDECAR_TIMEOUT_MS : NETWORK_TIMEOUT_MS
}
