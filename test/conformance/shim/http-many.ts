import type { X509MaterialSource } from '@fastify-spiffe/spiffe'
import type { Answer } from './answer.ts'
import { codeOf, observePeers, withDispatcher, type OutgoingCall } from './outgoing.ts'

interface ManyCall extends OutgoingCall {
  readonly seconds: number
  readonly concurrency: number
}

/** `POST /v2/http/many`: requests for some time, over one client. */
export async function httpMany(source: X509MaterialSource, call: ManyCall): Promise<Answer> {
  const { url, seconds, concurrency } = call
  const { origin } = new URL(url)
  const serverSerials = new Set<string>()
  const codes = new Set<string>()
  let ok = 0
  let failed = 0
  const observed = observePeers((calledOrigin, { serialNumber }) => {
    if (calledOrigin === origin) serverSerials.add(serialNumber)
  })
  const endsAt = Date.now() + seconds * 1000
  await withDispatcher(source, call, async ({ fetch }) => {
    const work = async (): Promise<void> => {
      while (Date.now() < endsAt) {
        try {
          const response = await fetch(url)
          await response.text()
          if (response.ok) ok++
          else {
            failed++
            codes.add(`http-${response.status}`)
          }
        } catch (error) {
          failed++
          codes.add(codeOf(error))
        }
      }
    }
    await Promise.all(Array.from({ length: concurrency }, work))
  })
  const body = { status: 'ok', ok, failed, codes: [...codes], serverSerials: [...serverSerials] }
  observed[Symbol.dispose]()
  return { code: 200, body }
}
