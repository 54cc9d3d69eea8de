/** The states of `grpc.health.v1.HealthCheckResponse.ServingStatus`. */
export const SERVING_STATUS = {
  UNKNOWN: 0,
  SERVING: 1,
  NOT_SERVING: 2,
  SERVICE_UNKNOWN: 3,
} as const

/** One of {@link SERVING_STATUS}. */
export type ServingStatus = (typeof SERVING_STATUS)[keyof typeof SERVING_STATUS]

/** `grpc.health.v1.HealthCheckRequest`. */
export interface HealthCheckRequest {
  readonly service: string
}

/** `grpc.health.v1.HealthCheckResponse`. */
export interface HealthCheckResponse {
  readonly status: ServingStatus
}

const LENGTH_DELIMITED = 2
const TAG_1_VARINT = 0x08
const TAG_1_BYTES = 0x0a

/** Writes a request, whose only field is the string 1. */
export function encodeRequest({ service }: HealthCheckRequest): Buffer {
  const name = Buffer.from(service)
  if (name.length === 0) return name
  return Buffer.concat([Buffer.from([TAG_1_BYTES, ...varintOf(name.length)]), name])
}

/** Writes a response, whose only field is the enumeration 1. */
export function encodeResponse({ status }: HealthCheckResponse): Buffer {
  return Buffer.from(status === 0 ? [] : [TAG_1_VARINT, status])
}

/**
 * Reads a request. Fields that it does not know are skipped, and the last of several counts (Protocol Buffers, Encoding).
 * @throws RangeError when it is not a message
 */
export function decodeRequest(bytes: Buffer): HealthCheckRequest {
  let service = ''
  for (const { field, value } of fieldsOf(bytes)) {
    if (field === 1 && typeof value !== 'number') service = value.toString('utf8')
  }
  return { service }
}

/**
 * Reads a response, like {@link decodeRequest}.
 * @throws RangeError when it is not a message
 */
export function decodeResponse(bytes: Buffer): HealthCheckResponse {
  let status = 0
  for (const { field, value } of fieldsOf(bytes)) {
    if (field === 1 && typeof value === 'number') status = value
  }
  const known = Object.values(SERVING_STATUS).find((each) => each === status)
  return { status: known ?? SERVING_STATUS.UNKNOWN }
}

interface Field {
  readonly field: number
  readonly value: number | Buffer
}

function* fieldsOf(bytes: Buffer): Generator<Field> {
  const reader = new Reader(bytes)
  while (!reader.isAtEnd) {
    const tag = reader.varint()
    yield { field: tag >>> 3, value: reader.value(tag & 7) }
  }
}

class Reader {
  readonly #bytes: Buffer
  #offset = 0

  constructor(bytes: Buffer) {
    this.#bytes = bytes
  }

  get isAtEnd(): boolean {
    return this.#offset >= this.#bytes.length
  }

  /** Only its lowest 32 bits count here. */
  varint(): number {
    let value = 0
    for (let shift = 0; shift < 70; shift += 7) {
      const byte = this.#take(1).readUInt8()
      if (shift < 32) value |= (byte & 0x7f) << shift
      if (byte < 0x80) return value >>> 0
    }
    throw new RangeError('a varint is too long')
  }

  value(wireType: number): number | Buffer {
    switch (wireType) {
      case 0:
        return this.varint()
      case 1:
        return this.#take(8)
      case LENGTH_DELIMITED:
        return this.#take(this.varint())
      case 5:
        return this.#take(4)
      default:
        throw new RangeError('a field has an unknown wire type')
    }
  }

  #take(length: number): Buffer {
    const end = this.#offset + length
    if (end > this.#bytes.length) throw new RangeError('the message is cut short')
    const taken = this.#bytes.subarray(this.#offset, end)
    this.#offset = end
    return taken
  }
}

function varintOf(value: number): readonly number[] {
  return value < 0x80 ? [value] : [(value & 0x7f) | 0x80, ...varintOf(value >>> 7)]
}
