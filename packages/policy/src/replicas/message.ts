import { createHmac, timingSafeEqual } from 'node:crypto'
import { MAX_MESSAGE_LENGTH } from './bus.ts'

/** Which policy document a replica has in force. */
export interface PolicyStatement {
  /** When it was put in force, in milliseconds since 1970 and later than all before; 0 for the one of the boot. */
  readonly epoch: number
  /** Of its content. */
  readonly digest: string
  /** Its name, for people. */
  readonly version: string
}

interface Sender {
  /** Random, new at each boot. */
  readonly sender: string
  /** How many invalidations the sender has published, this one included. */
  readonly count: number
}

/** A message of one replica to the others. */
export type InvalidationMessage =
  | (Sender & { readonly kind: 'invalidation'; readonly scope: string })
  | (Sender & { readonly kind: 'end' })
  | (Sender & {
      readonly kind: 'sync'
      /** Numbers the messages of this kind. */
      readonly beat: number
      /** By the sender's clock, in milliseconds since 1970. */
      readonly sentAt: number
      readonly policy: PolicyStatement
    })

/** What a signature is good for: a secret, and the bus that the message is for. */
export interface SigningKey {
  readonly secret: string
  readonly bus: string
}

const PURPOSE = '@fastify-spiffe/authz/replicas/1'
/** HMAC-SHA256 in Base64url. */
const MAC_LENGTH = 43

/** Writes a message that only who knows the secret can write, for one bus and for nothing else. */
export function signMessage(message: InvalidationMessage, key: SigningKey): string {
  const body = JSON.stringify(message)
  return `${macOf(body, key).toString('base64url')}.${body}`
}

/** Reads a message; `null` for one that is none, or was not signed with this key. Nothing is parsed before that is known. */
export function verifyMessage(text: string, key: SigningKey): InvalidationMessage | null {
  if (text.length > MAX_MESSAGE_LENGTH || text[MAC_LENGTH] !== '.') return null
  const body = text.slice(MAC_LENGTH + 1)
  const mac = Buffer.from(text.slice(0, MAC_LENGTH), 'base64url')
  const expected = macOf(body, key)
  if (mac.length !== expected.length || !timingSafeEqual(mac, expected)) return null
  return messageOf(body)
}

function macOf(body: string, { secret, bus }: SigningKey): Buffer {
  // JSON marks where the name of the bus ends.
  return createHmac('sha256', secret)
    .update(JSON.stringify([PURPOSE, bus]))
    .update(body)
    .digest()
}

function messageOf(body: string): InvalidationMessage | null {
  try {
    const value: unknown = JSON.parse(body)
    return isMessage(value) ? value : null
  } catch {
    return null
  }
}

/** Another version of this software may have other messages. */
function isMessage(value: unknown): value is InvalidationMessage {
  if (!isRecord(value)) return false
  const { kind, sender, count, scope, beat, sentAt, policy } = value
  if (!isText(sender) || !isCount(count)) return false
  if (kind === 'invalidation') return isText(scope)
  if (kind === 'end') return true
  return kind === 'sync' && isCount(beat) && isCount(sentAt) && isStatement(policy)
}

function isStatement(value: unknown): boolean {
  if (!isRecord(value)) return false
  const { epoch, digest, version } = value
  return isCount(epoch) && isText(digest) && isText(version)
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null
}

function isText(value: unknown): boolean {
  return typeof value === 'string' && value !== ''
}

function isCount(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value >= 0
}
