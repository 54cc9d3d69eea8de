import type { SetTimer } from '@fastify-spiffe/spiffe'
import type { AccessRules } from '../access/rules.ts'
import type { FileSourceError } from '../errors.ts'
import type { FileLayout } from '../layouts.ts'

/** One path, or several. */
export type FilePaths = string | readonly string[]

/** Which manifest the files have to agree with. */
export interface ManifestOptions {
  /** The path of the manifest, as `sha256sum` writes it. It has to name every file, relative to its own folder. */
  readonly file: string
  /**
   * The public key in PEM, Ed25519 or P-256, that has to have signed the manifest. The detached signature is beside it, in a
   * file with `.sig` at the end. Default: none, and the manifest only shows that a set of files is whole.
   */
  readonly publicKey?: string | Uint8Array
}

/** Options of `FileSource.open`. */
export interface FileSourceOptions extends Partial<AccessRules> {
  /** The folder that paths are relative to. Default: the working directory. */
  readonly directory?: string
  /** Names the files as a program does: `spiffe-helper`, `cert-manager` or `spire-agent`. Default: none. */
  readonly layout?: FileLayout
  /** The certificates, leaf first, in PEM or DER. Mandatory without `layout`. */
  readonly svid?: string
  /** The private key, not encrypted: PKCS#8, SEC 1 or PKCS#1 in PEM, or PKCS#8 in DER. Mandatory without `layout`. */
  readonly key?: string
  /**
   * The bundle of the trust domain of the SVID: certificates in PEM or DER, a SPIFFE bundle (JSON Web Key Set), or a SPIFFE
   * Bundle Map, which has the bundles of other trust domains too. Default: that of `layout`, unless `bundles` is given.
   */
  readonly bundle?: FilePaths
  /**
   * The bundles of trust domains by their names, the own one or others: in PEM, DER, or as a SPIFFE bundle. Several files of
   * one trust domain are for parts of its bundle, such as PEM for X.509 and a SPIFFE bundle for JWT. Default: none.
   */
  readonly bundles?: Readonly<Record<string, FilePaths>>
  /** The SHA-256 that a file must have, in hexadecimal, by the path that is given for it; several: any. Default: none. */
  readonly expectedSha256?: Readonly<Record<string, FilePaths>>
  /** A file with the SHA-256 of all files, which a writer replaces with them. Default: none. */
  readonly manifest?: ManifestOptions
  /** The largest file that is read, in bytes, from 1024 to 16 MiB. Default 1 MiB. */
  readonly maxFileBytes?: number
  /** The longest wait for the first good set of files, in milliseconds; default 30,000. */
  readonly timeoutMs?: number
  /** Ends the wait for the first good set of files. It has no effect on the open source. Default: none. */
  readonly signal?: AbortSignal
  /**
   * Called with what keeps the source from being ready: each code once until it is ready again. The message says the cure.
   * It must not throw. Default: `process.emitWarning` while the source opens, and nothing later, because the plugin `svid`
   * logs it, from `node:diagnostics_channel`.
   */
  readonly onProblem?: (problem: FileSourceError) => void
  /** The time in milliseconds since the epoch; default `Date.now`. */
  readonly clock?: () => number
  /** Sets a timer, for tests. Default: one of Node that does not keep the process alive. */
  readonly setTimer?: SetTimer
}

const NAMES: Readonly<Record<keyof FileSourceOptions, true>> = {
  directory: true,
  layout: true,
  svid: true,
  key: true,
  bundle: true,
  bundles: true,
  expectedSha256: true,
  manifest: true,
  allowGroupReadableKey: true,
  allowWorldReadableKey: true,
  allowWorldWritable: true,
  allowForeignOwner: true,
  allowLinksOutsideFolder: true,
  maxFileBytes: true,
  timeoutMs: true,
  signal: true,
  onProblem: true,
  clock: true,
  setTimer: true,
}

/** The names of all options. */
export const OPTION_NAMES: readonly string[] = Object.keys(NAMES)
