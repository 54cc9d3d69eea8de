import { createHash } from 'node:crypto'
import {
  Bundle,
  parseBundleMap,
  SpiffeError,
  type BundleSet,
  type TrustDomain,
} from '@fastify-spiffe/spiffe'
import { describeCause } from '@fastify-spiffe/spiffe/internal'
import { FederationError } from '../errors.ts'
import { PrivateDirectory } from './directory.ts'

/** What a bundle of 4 MiB takes when it is written again, and more. */
const MAX_BYTES = 16 * 1024 * 1024
/** File systems take names of 255 octets; trust domains may have as many. */
const MAX_NAME = 200
const SUFFIX = '.bundle.json'
const TAIL = '}}'

/** The last bundles of trust domains, a file each: a SPIFFE Bundle Map that holds one. */
export class BundleStore {
  readonly #directory: PrivateDirectory

  private constructor(directory: PrivateDirectory) {
    this.#directory = directory
  }

  /** @throws {@link FederationError} `unsafe-directory` */
  static async open(path: string): Promise<BundleStore> {
    return new BundleStore(await PrivateDirectory.open(path))
  }

  /**
   * Reads the bundle of a trust domain; `null` if none is stored.
   * @throws {@link FederationError} `invalid-stored-bundle`
   */
  async read(trustDomain: TrustDomain): Promise<Bundle | null> {
    try {
      const content = await this.#directory.read(fileOf(trustDomain), MAX_BYTES)
      return content === null ? null : await read(content, trustDomain)
    } catch (cause) {
      const message = `the stored bundle of ${trustDomain.name} is ignored: ${describeCause(cause)}`
      throw new FederationError('invalid-stored-bundle', message, { cause })
    }
  }

  /** @throws {@link FederationError} `store-failed` */
  async write(bundle: Bundle): Promise<void> {
    const { trustDomain } = bundle
    await stored(trustDomain, async () =>
      this.#directory.write(fileOf(trustDomain), await textOf(bundle)),
    )
  }

  /** @throws {@link FederationError} `store-failed` */
  async remove(trustDomain: TrustDomain): Promise<void> {
    await stored(trustDomain, () => this.#directory.remove(fileOf(trustDomain)))
  }
}

/** A SPIFFE Bundle Map that holds one bundle. */
async function textOf(bundle: Bundle): Promise<string> {
  return `${headOf(bundle.trustDomain)}${await withoutHint(bundle).stringifyInSlices()}${TAIL}`
}

async function read(content: Buffer, trustDomain: TrustDomain): Promise<Bundle> {
  const [head, tail] = [Buffer.from(headOf(trustDomain)), Buffer.from(TAIL)]
  const isOurs =
    content.subarray(0, head.length).equals(head) && content.subarray(-tail.length).equals(tail)
  // Of another writer: it may have blanks, and other members.
  if (!isOurs) return only(parseBundleMap(content), trustDomain)
  const inner = content.subarray(head.length, -tail.length)
  return withoutHint(await Bundle.parseInSlices(trustDomain, inner))
}

function headOf({ name }: TrustDomain): string {
  return `{"trust_domains":{${JSON.stringify(name)}:`
}

/** In a SPIFFE Bundle Map, refresh hints mean nothing. */
function withoutHint({ trustDomain, x509, jwt, witKeys, sequence }: Bundle): Bundle {
  return Bundle.of(trustDomain, { x509, jwt, witKeys, sequence })
}

function only(bundles: BundleSet<Bundle>, trustDomain: TrustDomain): Bundle {
  const bundle = bundles.get(trustDomain)
  if (bundle !== undefined && bundles.size === 1) return bundle
  throw new SpiffeError('invalid-bundle', 'it is not of this trust domain alone')
}

async function stored(trustDomain: TrustDomain, change: () => Promise<void>): Promise<void> {
  try {
    await change()
  } catch (cause) {
    const message = `the bundle of ${trustDomain.name} was not stored: ${describeCause(cause)}`
    throw new FederationError('store-failed', message, { cause })
  }
}

/** `~` is in no trust domain, so that no other one has the same file. */
function fileOf({ name }: TrustDomain): string {
  if (name.length <= MAX_NAME) return `${name}${SUFFIX}`
  return `~${createHash('sha256').update(name).digest('hex')}${SUFFIX}`
}
