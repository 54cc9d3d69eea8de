import { isIP } from 'node:net'
import * as fc from 'fast-check'
import type { FastifyRequest } from 'fastify'
import { internal, type AddressModule, type NetworksModule } from '../support/internals.ts'
import { check, type Target } from '../support/target.ts'

interface Input {
  readonly socket: string
  readonly header: string | undefined
}

const PROXIES = ['10.0.0.0/8', '192.0.2.7', 'fd00::/8']
const MAX_HOPS = 32

const addresses = fc.oneof(
  fc.constantFrom(
    '10.1.2.3',
    '10.255.255.255',
    '11.0.0.0',
    '192.0.2.7',
    '192.0.2.8',
    '127.0.0.1',
    '0.0.0.0',
    'fd00::1',
    'fdff::',
    'fe80::1',
    'fe80::1%eth0',
    '::',
    '::1',
    '2001:db8::1',
    'FD00::AB',
    '::ffff:10.1.2.3',
    '::FFFF:192.0.2.8',
    '::ffff:a01:203',
  ),
  fc.ipV4(),
  fc.ipV6(),
)

const hops = fc.oneof(
  { weight: 5, arbitrary: addresses },
  {
    weight: 1,
    arbitrary: fc.constantFrom(
      'unknown',
      '_hidden',
      '',
      '010.1.2.3',
      '10.1.2',
      '10.1.2.3:80',
      '[fd00::1]',
      '10.1.2.3\0',
      '1.2.3.4/8',
      '0x0a.1.2.3',
      '１０.1.2.3',
      '::ffff:10.1.2',
      '10.1.2.3 10.1.2.3',
      '%',
      '::%',
    ),
  },
  { weight: 1, arbitrary: fc.string({ unit: 'binary', maxLength: 10 }) },
)

const headers = fc
  .array(fc.tuple(hops, fc.constantFrom(',', ', ', ' ,\t')), { maxLength: 40 })
  .map((list) => list.map(([hop, comma], at) => (at === 0 ? hop : `${comma}${hop}`)).join(''))

const inputs: fc.Arbitrary<Input> = fc.record({
  socket: addresses,
  header: fc.oneof(
    { weight: 1, arbitrary: fc.constant(undefined) },
    { weight: 9, arbitrary: headers },
  ),
})

/** The client's address behind trusted proxies, against the rule in other words. */
export async function openForwardedFor(): Promise<Target<Input>> {
  const { parseNetworks } = await internal<NetworksModule>('policy/dist/attributes/addresses.js')
  const { clientAddress } = await internal<AddressModule>('authz/dist/call/address.js')
  const addressOf = clientAddress(parseNetworks(PROXIES))
  return {
    inputs,
    read({ socket, header }) {
      // What the function reads of a request.
      const request = {
        raw: { socket: { remoteAddress: socket } },
        headers: { 'x-forwarded-for': header },
      } as unknown as FastifyRequest
      const address = addressOf(request)
      const expected = expectedAddress(socket, header)
      check(address === expected, `it is ${String(address)}, and should be ${String(expected)}`)
      if (address === undefined) return 'none'
      check(isIP(address) !== 0, `${address} is no address`)
      return address === plain(socket.replace(/%.*$/, '')) ? 'of the socket' : 'of the header'
    },
    bytesOf: (input) => Buffer.from(JSON.stringify(input)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** Who spoke to the last trusted one, going back from the socket for as long as those who speak are trusted. */
function expectedAddress(peer: string, header: string | undefined): string | undefined {
  const [socket = ''] = peer.split('%')
  if (!isTrusted(socket) || header === undefined) return plain(socket)
  const spoken = header.split(',')
  if (spoken.length > MAX_HOPS) return undefined
  let speaker = socket
  while (isTrusted(speaker) && spoken.length > 0) {
    speaker = (spoken.pop() ?? '').trim()
    if (isIP(speaker) === 0 || speaker.includes('%')) return undefined
  }
  return plain(speaker)
}

/** RFC 5952, word by word; a mapped address is the one within. What is no address stays as it is. */
function plain(address: string): string {
  if (isIP(address) !== 6 || address.includes('%')) return address
  const words = wordsOf(address)
  if (words.slice(0, 5).every((word) => word === 0) && words[5] === 0xffff) {
    return words
      .slice(6)
      .flatMap((word) => [word >> 8, word & 255])
      .join('.')
  }
  const texts = words.map((word) => word.toString(16))
  for (let length = 8; length > 1; length--) {
    const start = words.findIndex((_, at) => {
      return at + length <= 8 && words.slice(at, at + length).every((word) => word === 0)
    })
    if (start === -1) continue
    return `${texts.slice(0, start).join(':')}::${texts.slice(start + length).join(':')}`
  }
  return texts.join(':')
}

function wordsOf(address: string): readonly number[] {
  const [head = '', tail] = address.split('::')
  const [front, back] = [wordsIn(head), wordsIn(tail ?? '')]
  const zeros = Array.from({ length: 8 - front.length - back.length }, () => 0)
  return [...front, ...zeros, ...back]
}

function wordsIn(text: string): readonly number[] {
  return text
    .split(':')
    .filter((word) => word !== '')
    .flatMap((word) => {
      if (!word.includes('.')) return [Number.parseInt(word, 16)]
      const [a = 0, b = 0, c = 0, d = 0] = word.split('.').map(Number)
      return [(a << 8) | b, (c << 8) | d]
    })
}

/** {@link PROXIES}, spelled out. */
function isTrusted(address: string): boolean {
  const dotted = plain(address)
  if (isIP(dotted) === 4) return dotted.startsWith('10.') || dotted === '192.0.2.7'
  return isIP(dotted) === 6 && /^fd[0-9a-f]{2}:/i.test(dotted)
}
