import { WorkloadApiError } from '../errors.ts'
import { LIMITS, checkLimit } from './limits.ts'

const VARINT = 0
const FIXED64 = 1
const LENGTH_DELIMITED = 2
const FIXED32 = 5

/**
 * Counts the fields at the top level of a protobuf message before it is decoded: two bytes on the
 * wire can become an object of hundreds.
 * @throws {@link WorkloadApiError} `limit-exceeded`, `invalid-message`
 */
export function checkFieldCount(message: Uint8Array): void {
  const cursor = { message, position: 0 }
  let fields = 0
  while (cursor.position < message.length) {
    checkLimit('fields of a message', (fields += 1), LIMITS.fields)
    skipField(cursor)
  }
  if (cursor.position !== message.length) throw truncated()
}

interface Cursor {
  readonly message: Uint8Array
  position: number
}

function skipField(cursor: Cursor): void {
  const wireType = readVarint(cursor) % 8
  switch (wireType) {
    case VARINT:
      readVarint(cursor)
      return
    case FIXED64:
      cursor.position += 8
      return
    case LENGTH_DELIMITED:
      // In this order: reading the length moves the cursor too.
      cursor.position = readVarint(cursor) + cursor.position
      return
    case FIXED32:
      cursor.position += 4
      return
    default:
      throw new WorkloadApiError('invalid-message', `a message has wire type ${wireType}`)
  }
}

function readVarint(cursor: Cursor): number {
  let value = 0
  for (let bytes = 0; bytes < 10; bytes += 1) {
    const byte = cursor.message[cursor.position]
    if (byte === undefined) throw truncated()
    cursor.position += 1
    value += (byte % 128) * 128 ** bytes
    if (byte < 128) return value
  }
  throw new WorkloadApiError('invalid-message', 'a message has a number without end')
}

function truncated(): WorkloadApiError {
  return new WorkloadApiError('invalid-message', 'a message ends in the middle of a field')
}
