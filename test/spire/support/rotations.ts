import type { X509SvidSource } from '@fastify-spiffe/spiffe'

/** Waits until the source holds another SVID than it does now, and gives that one's serial number. */
export async function nextRotation(source: X509SvidSource, timeoutMs = 30_000): Promise<string> {
  const signal = AbortSignal.timeout(timeoutMs)
  const before = source.svid?.leaf.serialNumber
  for (;;) {
    await source.nextUpdate({ signal })
    const now = source.svid?.leaf.serialNumber
    if (now !== undefined && now !== before) return now
  }
}
