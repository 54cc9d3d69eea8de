import { utf8 } from '@fastify-spiffe/policy/engine-kit'

const BLOCK = 512
/** More entries than a bundle of policies has. */
const MAX_ENTRIES = 10_000

interface Header {
  readonly name: string
  readonly size: number
  readonly type: string
}

interface Entry {
  /** From the root of the archive. */
  readonly path: string
  readonly type: string
  readonly content: Uint8Array
}

/**
 * Finds files in a tar archive (POSIX pax, "ustar Interchange Format"), by their paths from its
 * root. All others are skipped, and nothing is written anywhere. What is not a plain file is
 * skipped, whatever its name.
 *
 * @throws {RangeError} when it is damaged, or holds one of the paths twice
 */
export function filesOfTar(
  archive: Uint8Array,
  wanted: readonly string[],
): ReadonlyMap<string, Uint8Array> {
  const files = new Map<string, Uint8Array>()
  for (const { path, type, content } of entriesOf(archive)) {
    if (type !== '0' || !wanted.includes(path)) continue
    if (files.has(path)) throw new RangeError(`it holds "${path}" twice`)
    files.set(path, content)
  }
  return files
}

function* entriesOf(archive: Uint8Array): Generator<Entry> {
  let [offset, entries] = [0, 0]
  let longName: string | null = null
  for (let header; (header = readHeader(archive, offset)) !== null; entries++) {
    if (entries === MAX_ENTRIES) throw new RangeError(`it has more than ${MAX_ENTRIES} entries`)
    const { name, size, type } = header
    const start = offset + BLOCK
    if (start + size > archive.length) throw new RangeError(`"${name}" is cut off`)
    const content = archive.subarray(start, start + size)
    offset = start + Math.ceil(size / BLOCK) * BLOCK
    if (type === 'x') {
      longName = nameOf(content)
      continue
    }
    yield { path: (longName ?? name).replace(/^\.?\//, ''), type, content }
    longName = null
  }
}

/** `null` at the end of the archive. */
function readHeader(archive: Uint8Array, offset: number): Header | null {
  const block = archive.subarray(offset, offset + BLOCK)
  if (block.length < BLOCK) throw new RangeError('its end is missing')
  if (block.every((byte) => byte === 0)) return null
  const field = (from: number, to: number): string => {
    const bytes = block.subarray(from, to)
    const end = bytes.indexOf(0)
    return utf8(end === -1 ? bytes : bytes.subarray(0, end))
  }
  const sum = block.reduce((total, byte, at) => total + (at >= 148 && at < 156 ? 0x20 : byte), 0)
  if (octal(field(148, 156)) !== sum) throw new RangeError('the checksum of a header is wrong')
  const prefix = field(257, 262) === 'ustar' ? field(345, 500) : ''
  const name = field(0, 100)
  return {
    name: prefix === '' ? name : `${prefix}/${name}`,
    size: octal(field(124, 136)),
    // Before ustar, a plain file had none.
    type: field(156, 157) || '0',
  }
}

function octal(text: string): number {
  const digits = text.trim()
  if (!/^[0-7]{1,11}$/.test(digits))
    throw new RangeError(`${JSON.stringify(digits)} is not a number`)
  return Number.parseInt(digits, 8)
}

/** The path in a pax header, which names the entry that follows: records of the form `<length> <key>=<value>\n`. */
function nameOf(records: Uint8Array): string | null {
  let name: string | null = null
  for (let rest = records; rest.length > 0;) {
    const [, digits = ''] = /^([1-9]\d{0,8}) /.exec(utf8(rest.subarray(0, 10))) ?? []
    const length = Number(digits)
    if (length <= digits.length || length > rest.length) {
      throw new RangeError('a pax header is damaged')
    }
    const record = utf8(rest.subarray(digits.length + 1, length - 1))
    if (record.startsWith('size=')) throw new RangeError('an entry is too large')
    if (record.startsWith('path=')) name = record.slice('path='.length)
    rest = rest.subarray(length)
  }
  return name
}
