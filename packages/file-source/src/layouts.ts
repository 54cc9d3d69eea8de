/** How a program names the files that it writes. */
export interface FileNames {
  readonly svid: string
  readonly key: string
  readonly bundle: string
}

const layouts = {
  /** spiffe-helper, and `fetch --write` of `@fastify-spiffe/cli`. */
  'spiffe-helper': { svid: 'svid.pem', key: 'svid_key.pem', bundle: 'svid_bundle.pem' },
  /** cert-manager, csi-driver-spiffe, and every Kubernetes secret of the type `kubernetes.io/tls`. */
  'cert-manager': { svid: 'tls.crt', key: 'tls.key', bundle: 'ca.crt' },
  /** `spire-agent api fetch x509 -write`, of the first SVID. */
  'spire-agent': { svid: 'svid.0.pem', key: 'svid.0.key', bundle: 'bundle.0.pem' },
} as const

/** The programs whose names for files are known. */
export type FileLayout = keyof typeof layouts

export const LAYOUTS: ReadonlyMap<string, FileNames> = new Map(Object.entries(layouts))
