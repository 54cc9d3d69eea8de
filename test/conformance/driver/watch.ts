import { X509Certificate } from 'node:crypto'
import type { MintedCertificate } from '@fastify-spiffe/authority'
import { expectThat, Failure } from '../suite/case.ts'
import type { Harness } from './harness.ts'
import { serialOf } from './presented.ts'
import { during, until } from './timing.ts'

/** How long a bad state may not be seen before the next good one is sent. */
const WATCH_MS = 1000

/** How long the harness may take to follow its Workload API. */
export const FOLLOW_MS = 15_000

/** The serial number by which a certificate is known again. */
export function serialNumberOf({ chain: [leaf] }: MintedCertificate): string {
  if (leaf === undefined) throw new TypeError('an empty chain')
  return serialOf(new X509Certificate(leaf))
}

/** The serial number of what the harness presents; `null`: nothing. */
export async function presentedSerial(
  harness: Harness,
  client: MintedCertificate,
): Promise<string | null> {
  const { server } = await harness.present({ material: client })
  return server?.serialNumber ?? null
}

/** Waits until the harness presents a certificate; nothing but `before` may be seen meanwhile. */
export async function untilPresented(
  harness: Harness,
  client: MintedCertificate,
  wanted: MintedCertificate,
  before?: MintedCertificate,
): Promise<void> {
  const serial = serialNumberOf(wanted)
  const former = before && serialNumberOf(before)
  await until(
    async () => {
      const seen = await presentedSerial(harness, client)
      if (former !== undefined) {
        expectThat(seen === serial || seen === former, `presented meanwhile: ${seen ?? 'nothing'}`)
      }
      return seen
    },
    (seen) => seen === serial,
    FOLLOW_MS,
    (seen) =>
      new Failure(
        `presents ${seen ?? 'nothing'} after ${FOLLOW_MS} ms, wanted the update ${serial}`,
      ),
  )
}

/** Watches that the harness goes on presenting a certificate, and serves its peers with it. */
export async function keepsPresenting(
  harness: Harness,
  client: MintedCertificate,
  wanted: MintedCertificate,
): Promise<void> {
  const serial = serialNumberOf(wanted)
  await during(WATCH_MS, async () => {
    const { line, server } = await harness.present({ material: client })
    expectThat(
      server?.serialNumber === serial,
      `presents ${server?.serialNumber ?? 'nothing'}, wanted ${serial} still`,
    )
    expectThat(line !== null, 'a good peer is refused')
  })
}
