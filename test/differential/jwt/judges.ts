import { Bundle, BundleSet, type JwtBundle, SpiffeError, TrustDomain } from '@fastify-spiffe/spiffe'
import { verifyJwtSvid } from '@fastify-spiffe/spiffe/jwt-svid'
import type { TokenAnswer, TokenPeer, TokenQuestion } from '../../interop/peer.ts'
import { goSpiffe } from '../../interop/go-spiffe/peer.ts'
import { rustSpiffe } from '../../interop/rust-spiffe/peer.ts'
import { prepare } from '../../interop/support/preparation.ts'

export const OTHER_JUDGES = ['go-spiffe', 'rust-spiffe'] as const

export type OtherJudge = (typeof OTHER_JUDGES)[number]

/** A question that is answered without a Workload API. */
export type Question = Extract<TokenQuestion, { do: 'verify' | 'read' }>

export interface OpenJudge extends TokenPeer {
  readonly name: OtherJudge
}

/**
 * The judges beside ours that this machine can have; each is to be disposed of.
 * @param say is told which one is left out, and why
 * @throws what broke the build of one
 */
export async function openJudges(say: (line: string) => void): Promise<OpenJudge[]> {
  const judges: OpenJudge[] = []
  for (const [name, peer] of [
    ['go-spiffe', goSpiffe],
    ['rust-spiffe', rustSpiffe],
  ] as const) {
    const preparation = await prepare(peer)
    if (preparation.state === 'broken') throw preparation.error
    if (preparation.state === 'left out') say(`${name} is left out: ${preparation.reason}`)
    else judges.push({ name, ...opened(preparation.program.tokens!.start()) })
  }
  return judges
}

function opened(peer: TokenPeer): TokenPeer {
  return {
    ask: (question) => peer.ask(question),
    [Symbol.asyncDispose]: () => peer[Symbol.asyncDispose](),
  }
}

/** Ours; its errors are codes. */
export async function askOurs(question: Question): Promise<TokenAnswer> {
  try {
    return question.do === 'read' ? read(question) : await verify(question)
  } catch (error) {
    if (error instanceof SpiffeError) return { error: error.code }
    throw error
  }
}

async function verify({
  token,
  audience,
  bundles,
}: Extract<Question, { do: 'verify' }>): Promise<TokenAnswer> {
  const set = BundleSet.of<JwtBundle>(
    ...Object.entries(bundles).map(([name, text]) => readBundle(name, text).jwt),
  )
  const verification = await verifyJwtSvid(token, set, { audience })
  if (!verification.ok) return { error: verification.code }
  return { id: verification.svid.spiffeId.toString() }
}

function read({ trustDomain, bundle: text }: Extract<Question, { do: 'read' }>): TokenAnswer {
  const { x509, jwt, sequence, refreshHintMs } = readBundle(trustDomain, text)
  return {
    x509: x509.authorities.map(({ raw }) => raw.toString('base64')),
    jwt: jwt.authorities.map(({ keyId }) => keyId).toSorted(),
    ...(sequence !== null && { sequence: String(sequence) }),
    ...(refreshHintMs !== null && { refreshHint: refreshHintMs / 1000 }),
  }
}

function readBundle(name: string, text: string): Bundle {
  return Bundle.parse(TrustDomain.parse(name), text)
}
