import { createPrivateKey, createPublicKey } from 'node:crypto'
import type { KeyObject } from 'node:crypto'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { parseJson, readCompactJwt } from '@fastify-spiffe/spiffe/internal'

import { WorkloadApiError, quote } from '../errors.ts'
import type { RawWitSvid } from './decode-jwt.ts'
import { checkHint, withoutRepeatedHints } from './hints.ts'
import { LIMITS, checkLimit } from './limits.ts'
import { checkMandatory } from './mandatory-fields.ts'

/**
 * A WIT-SVID of this workload: a token that is worth something only together with its private key (WIT-SVID, an
 * incubating standard). Nothing else in this project uses it. JSON and `util.inspect` show neither of them.
 */
export class WitSvid {
  readonly spiffeId: SpiffeId
  /** `''` when there is none. */
  readonly hint: string
  readonly #token: string
  readonly #privateKey: KeyObject

  constructor(spiffeId: SpiffeId, hint: string, token: string, privateKey: KeyObject) {
    this.spiffeId = spiffeId
    this.hint = hint
    this.#token = token
    this.#privateKey = privateKey
    Object.freeze(this)
  }

  /** The token in compact serialization. It is no bearer token: its presenter proves that it has the key. */
  get token(): string {
    return this.#token
  }

  /** The key to which the token is bound. */
  get privateKey(): KeyObject {
    return this.#privateKey
  }
}

const MAX_KEY_BYTES = 16_384

/**
 * Turns a message of `FetchWITSVID` into SVIDs, or refuses it whole. Neither signatures nor times are checked.
 * @throws {@link WorkloadApiError} `invalid-message`, `limit-exceeded`, `invalid-svid`, `key-mismatch`
 */
export function parseWitSvids(raw: readonly RawWitSvid[]): readonly WitSvid[] {
  if (raw.length === 0) throw new WorkloadApiError('invalid-message', 'a message has no WIT-SVID')
  checkLimit('WIT-SVIDs', raw.length, LIMITS.svids)
  for (const [index, svid] of raw.entries()) {
    checkMandatory(`WIT-SVID ${index}`, svid, ['spiffeId', 'witSvid', 'witSvidKey'])
  }
  return Object.freeze(withoutRepeatedHints(raw).map(readWitSvid))
}

function readWitSvid({ spiffeId: id, witSvid: token, witSvidKey, hint }: RawWitSvid): WitSvid {
  checkHint(hint)
  const spiffeId = SpiffeId.safeParse(id)
  const read = readCompactJwt(token)
  if (!spiffeId.ok || typeof read === 'string') throw invalid(id, 'it is malformed')
  // WIT-SVID §2, §3: it is told from other tokens by `typ`, and has no audience.
  if (read.header['typ'] !== 'wit+jwt') throw invalid(id, 'typ is not wit+jwt')
  if (read.claims['sub'] !== id) throw invalid(id, 'sub is another one')
  if (read.claims['aud'] !== undefined) throw invalid(id, 'it has an audience')
  const privateKey = readKey(id, witSvidKey)
  const bound = keyIn(read.claims['cnf'])
  if (bound === undefined) throw invalid(id, 'cnf has no key')
  if (bound !== spkiOf(createPublicKey(privateKey))) {
    const message = `the key of the WIT-SVID for ${quote(id)} is not the one that it is bound to`
    throw new WorkloadApiError('key-mismatch', message)
  }
  return new WitSvid(spiffeId.value, hint, token, privateKey)
}

/** No error of a parser is kept as a cause: it may quote the key. */
function readKey(id: string, text: string): KeyObject {
  try {
    checkLimit('bytes of a key', text.length, MAX_KEY_BYTES)
    return createPrivateKey({ key: Object(parseJson(text, { hidesKeys: true })), format: 'jwk' })
  } catch {
    throw invalid(id, 'its key cannot be read')
  }
}

function keyIn(confirmation: unknown): string | undefined {
  try {
    const { jwk } = Object(confirmation)
    return spkiOf(createPublicKey({ key: jwk, format: 'jwk' }))
  } catch {
    return undefined
  }
}

function spkiOf(key: KeyObject): string {
  return key.export({ format: 'der', type: 'spki' }).toString('base64')
}

function invalid(id: string, reason: string): WorkloadApiError {
  return new WorkloadApiError('invalid-svid', `the WIT-SVID for ${quote(id)} is refused: ${reason}`)
}
