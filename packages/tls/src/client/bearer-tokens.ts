import { hasMethods, isObject, setUnreferencedTimer } from '@fastify-spiffe/spiffe/internal'
import { TlsError } from '../errors.ts'
import { reader } from '../options.ts'

/** Returns tokens for an audience: a `JwtSource`, or a function. Each request asks it for a token: it has to cache them itself. */
export type TokenProvider =
  | { fetchJwtSvid(request: { readonly audience: string }): Promise<{ readonly token: string }> }
  | ((audience: string) => string | Promise<string>)

/** Presents JWT-SVIDs in requests, as `Authorization: Bearer`. */
export interface OutgoingTokens {
  /**
   * The audience by origin, such as `{ 'https://orders.internal:8443': 'orders' }`. A request to any other origin carries no token,
   * one after a redirect included.
   */
  readonly audiences: Readonly<Record<string, string>>
  /** Where the tokens come from. */
  readonly tokens: TokenProvider
}

/** RFC 6750 §2.1, and nothing that could end a header. */
const TOKEN = /^[\w\-.~+/]+=*$/
const MAX_TOKEN_BYTES = 65_536
/** How long a provider may take. */
const TIMEOUT_MS = 10_000

/** The tokens of one client. */
export class BearerTokens {
  readonly #audiences: ReadonlyMap<string, string>
  readonly #provide: ProvideToken

  /** @throws {@link TlsError} `invalid-option`, `unknown-option` */
  constructor(given: OutgoingTokens) {
    if (!isObject(given)) {
      reader.refuse('jwt', given, 'must be an object with audiences and tokens')
    }
    reader.assertKnown('jwt', given, ['audiences', 'tokens'])
    this.#audiences = readAudiences(given.audiences)
    this.#provide = readProvider(given.tokens)
  }

  /** The audience of a request to the origin of a URL; `undefined`: it carries no token. */
  audienceFor(url: string): string | undefined {
    return URL.canParse(url) ? this.#audiences.get(new URL(url).origin) : undefined
  }

  /**
   * The value of `Authorization`.
   * @throws {@link TlsError} `no-token`
   */
  authorizationFor(audience: string): Promise<string> {
    return authorizationFrom(this.#provide, audience)
  }

  /**
   * As {@link authorizationFor}, of a provider that answers at once.
   * @throws {@link TlsError} `no-token`
   */
  authorizationNow(audience: string): string {
    const given = ask(this.#provide, audience)
    if (typeof given !== 'string') {
      // Its rejection is nobody's.
      given.catch(() => undefined)
      const message = 'SvidAgent needs a function in jwt.tokens that returns the token at once'
      throw new TlsError('no-token', message)
    }
    return headerOf(given)
  }
}

/** Gives a token for an audience. */
export type ProvideToken = (audience: string) => string | Promise<string>

/**
 * The value of `Authorization` for an audience.
 * @throws {@link TlsError} `no-token`
 */
export async function authorizationFrom(provide: ProvideToken, audience: string): Promise<string> {
  const given = ask(provide, audience)
  return headerOf(typeof given === 'string' ? given : await withinTime(given))
}

function ask(provide: ProvideToken, audience: string): string | Promise<string> {
  try {
    return provide(audience)
  } catch (cause) {
    throw noToken(cause)
  }
}

function headerOf(token: unknown): string {
  if (typeof token === 'string' && token.length <= MAX_TOKEN_BYTES && TOKEN.test(token)) {
    return `Bearer ${token}`
  }
  throw new TlsError('no-token', 'jwt.tokens gave something that is not a token')
}

async function withinTime(pending: Promise<string>): Promise<string> {
  let cancel: (() => void) | undefined
  const overdue = new Promise<null>((resolve) => {
    cancel = setUnreferencedTimer(() => resolve(null), TIMEOUT_MS)
  })
  let token: string | null
  try {
    token = await Promise.race([pending, overdue])
  } catch (cause) {
    throw noToken(cause)
  } finally {
    cancel?.()
  }
  if (token !== null) return token
  throw new TlsError('no-token', `jwt.tokens gave no token within ${TIMEOUT_MS} ms`)
}

function noToken(cause: unknown): TlsError {
  return new TlsError('no-token', 'jwt.tokens failed: the request was not sent', { cause })
}

function readAudiences(audiences: unknown): ReadonlyMap<string, string> {
  if (!isObject(audiences)) {
    return reader.refuse('jwt.audiences', audiences, 'must be an object of origins')
  }
  const read = new Map<string, string>()
  for (const [origin, audience] of Object.entries(audiences)) {
    const url = URL.canParse(origin) ? new URL(origin) : null
    if (url?.protocol !== 'https:' || url.href !== `${url.origin}/`) {
      reader.refuse(
        'jwt.audiences',
        origin,
        'must have origins as its keys, such as https://host:8443',
      )
    }
    if (typeof audience !== 'string' || audience === '') {
      return reader.refuse('jwt.audiences', audience, 'must have audiences as its values')
    }
    read.set(url.origin, audience)
  }
  return read
}

/** @throws {@link TlsError} `invalid-option` */
export function readProvider(tokens: unknown): ProvideToken {
  if (typeof tokens === 'function') {
    // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- what it gives is checked
    return tokens as ProvideToken
  }
  if (isSource(tokens)) {
    return async (audience) => (await tokens.fetchJwtSvid({ audience })).token
  }
  return reader.refuse('jwt.tokens', tokens, 'must be a function or have fetchJwtSvid')
}

function isSource(value: unknown): value is Exclude<TokenProvider, Function> {
  return hasMethods(value, ['fetchJwtSvid'])
}
