/** Whether it is one SEQUENCE of DER with nothing after it, as far as its length says. */
export function isOneElement(der: Buffer): boolean {
  if (der.length < 4 || der[0] !== 0x30) return false
  if (der[1] === 0x81) return der[2] === der.length - 3
  return der[1] === 0x82 && der.readUInt16BE(2) === der.length - 4
}
