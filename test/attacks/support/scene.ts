import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { mintRootCa, type MintedCa } from '@fastify-spiffe/authority'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { bundlesOf } from '../../support/verdict.ts'

export const ORDERS = 'spiffe://example.org/acme/orders'
export const WEB = 'spiffe://example.org/acme/web'
export const ADMIN = 'spiffe://example.org/acme/admin'

/** Authorities of one name, as SPIRE's are: nothing but the signature tells them apart. */
export const mintNamesake = (trustDomain: string): Promise<MintedCa> =>
  mintRootCa(trustDomain, { subject: 'C=US,O=SPIFFE' })

/** The source of a service named {@link ORDERS} that trusts these authorities, and is issued by the first. */
export async function sourceOf(...authorities: [MintedCa, ...MintedCa[]]): Promise<ScriptedSource> {
  const svid = (await authorities[0].mint(ORDERS)).toX509Svid()
  return new ScriptedSource(svid, bundlesOf(...authorities))
}

/** Has an event told why peers are rejected, until it is disposed. */
export function rejections(): { readonly codes: string[] } & Disposable {
  const codes: string[] = []
  const listener = (event: unknown): void => void codes.push((event as { code: string }).code)
  subscribe('spiffe:peer:rejected', listener)
  return {
    codes,
    [Symbol.dispose]: () => void unsubscribe('spiffe:peer:rejected', listener),
  }
}
