import {
  CERTIFICATES_HEADER,
  CHAIN_HEADER,
  ChainError,
  Chains,
  type ChainFields,
} from '@fastify-spiffe/chain'
import { presentPeer } from '@fastify-spiffe/tls/test-kit'
import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import { rejected, type Answer } from './answer.ts'
import type { OutgoingCall } from './outgoing.ts'

/** The incoming call that an outgoing one continues. */
export interface IncomingChain {
  /** Its two headers: an object with their names, that object as JSON, or the values on two lines. */
  readonly token?: string | Readonly<Record<string, string>> | null
  /** Its verified peer. */
  readonly peer?: string | null
}

type Relayed =
  | { readonly ok: true; readonly headers: Record<string, string> }
  | { readonly ok: false; readonly answer: Answer }

/** The headers of a call to `server` that continues what came in, or why there are none. */
export function relayed(
  source: X509MaterialSource,
  {
    token,
    peer,
    server,
    headers,
  }: IncomingChain & OutgoingCall & { readonly headers?: Record<string, string> },
): Relayed {
  const audience = server.id ?? ''
  try {
    const chains = new Chains({ source, handTo: audience === '' ? [] : [audience] })
    const caller = peer == null ? null : presentPeer({}, { spiffeId: peer })
    const verification = chains.verify(fieldsOf(token), caller)
    if (!verification.ok) return refused(verification.code, 'the incoming chain is refused')
    const made = chains.headersFor(audience, verification.chain)
    return { ok: true, headers: { ...headers, ...made } }
  } catch (error) {
    if (error instanceof ChainError) return refused(error.code, error.message)
    throw error
  }
}

function refused(code: string, message: string): Relayed {
  const answer = rejected(new Error(message))
  return { ok: false, answer: { code: answer.code, body: { ...answer.body, code } } }
}

function fieldsOf(token: IncomingChain['token']): ChainFields {
  if (token == null) return { chain: [], certificates: [] }
  if (typeof token !== 'string') return fieldsOfRecord(token)
  if (token.startsWith('{')) return fieldsOfRecord(JSON.parse(token))
  const [chain, certificates] = token.split(/\r?\n/)
  return { chain: listOf(chain), certificates: listOf(certificates) }
}

function fieldsOfRecord(record: Readonly<Record<string, string>>): ChainFields {
  const byName = new Map(Object.entries(record).map(([name, value]) => [name.toLowerCase(), value]))
  return {
    chain: listOf(byName.get(CHAIN_HEADER)),
    certificates: listOf(byName.get(CERTIFICATES_HEADER)),
  }
}

function listOf(value: string | undefined): readonly string[] {
  return value === undefined ? [] : [value]
}
