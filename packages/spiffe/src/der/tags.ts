/** The identifier octets that X.509 uses (X.690 §8.1.2). Constructed types carry bit 6. */
export const TAG = {
  boolean: 0x01,
  integer: 0x02,
  bitString: 0x03,
  octetString: 0x04,
  null: 0x05,
  objectIdentifier: 0x06,
  utf8String: 0x0c,
  printableString: 0x13,
  ia5String: 0x16,
  utcTime: 0x17,
  generalizedTime: 0x18,
  sequence: 0x30,
  set: 0x31,
} as const

/** The identifier octet of `[number]` on a primitive type. */
export function contextTag(number: number): number {
  return 0x80 | number
}

/** The identifier octet of `[number]` on a constructed type. */
export function contextTagConstructed(number: number): number {
  return 0xa0 | number
}
