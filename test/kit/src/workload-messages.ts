import type { MintedCa, SvidTemplate } from '@fastify-spiffe/authority'

/** `X509SVID` of the Workload API, as it goes on the wire. */
export interface SvidFields {
  readonly spiffeId: string
  readonly x509Svid: Buffer
  readonly x509SvidKey: Buffer
  readonly bundle: Buffer
  readonly hint: string
}

/** `X509SVIDResponse` of the Workload API. */
export interface SvidMessage {
  readonly svids: readonly SvidFields[]
  readonly crl?: readonly Buffer[]
  readonly federatedBundles?: Readonly<Record<string, Buffer>>
}

/** An SVID with the bundle of the authority that issued it. */
export async function svidFields(
  authority: MintedCa,
  id: string,
  { template = {}, ...fields }: Partial<SvidFields> & { readonly template?: SvidTemplate } = {},
): Promise<SvidFields> {
  const minted = await authority.mint(id, template)
  return {
    spiffeId: id,
    x509Svid: minted.certificates,
    x509SvidKey: minted.privateKey,
    bundle: authority.der,
    hint: '',
    ...fields,
  }
}

/** A message with one SVID. */
export async function svidMessage(
  authority: MintedCa,
  id: string,
  fields: Partial<SvidFields> & { readonly template?: SvidTemplate } = {},
): Promise<SvidMessage> {
  return { svids: [await svidFields(authority, id, fields)] }
}
