import { sign, X509Certificate } from 'node:crypto'
import type { MintedCa } from '@fastify-spiffe/authority'

const SERIAL_NUMBER = '7a'.repeat(16)
const SEQUENCE = 0x30
const BIT_STRING = 0x03
const ECDSA_WITH_SHA256 = Buffer.from('300a06082a8648ce3d040302', 'hex')

function element(tag: number, ...parts: readonly Uint8Array[]): Buffer {
  const content = Buffer.concat(parts)
  const length = Buffer.alloc(2)
  length.writeUInt16BE(content.length)
  const octets =
    content.length < 0x80
      ? [content.length]
      : content.length < 0x100
        ? [0x81, content.length]
        : [0x82, ...length]
  return Buffer.concat([Buffer.from([tag, ...octets]), content])
}

/**
 * Many leaves of one authority that differ in their serial numbers alone. They are made from one that was minted: to
 * mint each would take half a minute.
 */
export async function leavesOf(authority: MintedCa, count: number): Promise<X509Certificate[]> {
  const minted = await authority.mint('spiffe://example.org/web', { serialNumber: SERIAL_NUMBER })
  const [der] = minted.chain
  if (der === undefined) throw new Error('nothing was minted')
  // The TBSCertificate follows the header of the certificate, four octets long as its own is.
  const tbs = der.subarray(4, 8 + der.readUInt16BE(6))
  const at = tbs.indexOf(Buffer.from(SERIAL_NUMBER, 'hex'))
  const key = authority.keyPair.privateKey
  return Array.from({ length: count }, (_, index) => {
    const own = Buffer.from(tbs)
    own.writeUInt32BE(index, at + 12)
    const signature = element(BIT_STRING, Buffer.of(0), sign('sha256', own, key))
    return new X509Certificate(element(SEQUENCE, own, ECDSA_WITH_SHA256, signature))
  })
}
