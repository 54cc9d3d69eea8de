/** A view of the same octets as a Buffer; nothing is copied. */
function bufferView(bytes: Uint8Array): Buffer {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
}

/** A copy in memory of its own, so that neither a caller nor a shared pool can change it. */
export function detachedCopy(bytes: Uint8Array): Buffer {
  const copy = Buffer.allocUnsafeSlow(bytes.length)
  copy.set(bytes)
  return copy
}

export function sameBytes(one: Uint8Array, other: Uint8Array): boolean {
  return Buffer.compare(one, other) === 0
}

/** One character for each octet. */
export function latin1(bytes: Uint8Array): string {
  return bufferView(bytes).toString('latin1')
}

export function hexadecimal(bytes: Uint8Array): string {
  return bufferView(bytes).toString('hex')
}
