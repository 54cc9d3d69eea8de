import { createHmac, timingSafeEqual } from 'node:crypto'

/** That everything remembered about a scope is void since an epoch. */
export interface Notice {
  /** `*`: everybody. Otherwise a tenant, as `<trust domain>/<name>`. */
  readonly scope: string
  /** As the bus has given it. */
  readonly epoch: number
  /** The policy document that the sender has in force. */
  readonly policyVersion: string
}

/** No notice is longer: a SPIFFE ID has 2048 octets at most. */
const MAX_NOTICE_LENGTH = 4096

/** Writes a notice that only who knows the secret can write. */
export function sealNotice({ scope, epoch, policyVersion }: Notice, secret: string): string {
  const mac = macOf(scope, epoch, policyVersion, secret).toString('base64url')
  return JSON.stringify({ scope, epoch, policyVersion, mac })
}

/** Reads a notice; `null` for one that is none, or was written without the secret. */
export function openNotice(text: string, secret: string): Notice | null {
  if (text.length > MAX_NOTICE_LENGTH) return null
  const { scope, epoch, policyVersion, mac } = membersOf(text)
  if (typeof scope !== 'string' || typeof policyVersion !== 'string') return null
  if (typeof epoch !== 'number' || !Number.isSafeInteger(epoch) || typeof mac !== 'string')
    return null
  const expected = macOf(scope, epoch, policyVersion, secret)
  const given = Buffer.from(mac, 'base64url')
  if (given.length !== expected.length || !timingSafeEqual(given, expected)) return null
  return { scope, epoch, policyVersion }
}

function macOf(scope: string, epoch: number, policyVersion: string, secret: string): Buffer {
  return createHmac('sha256', secret)
    .update(JSON.stringify([scope, epoch, policyVersion]))
    .digest()
}

function membersOf(text: string): Partial<Record<keyof Notice | 'mac', unknown>> {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null ? value : {}
  } catch {
    return {}
  }
}
