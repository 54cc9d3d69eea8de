import { execFileSync } from 'node:child_process'
import { chmod, mkdir, mkdtemp, readFile, realpath, rm, symlink, writeFile } from 'node:fs/promises'
import { Stats, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { assertUnchangeable } from './inspect.ts'
import { readSafely, type ReadRules, type WatchedFile } from './read-safely.ts'

const STRICT: ReadRules = {
  allowGroupReadableKey: false,
  allowWorldReadableKey: false,
  allowWorldWritable: false,
  allowForeignOwner: false,
  allowLinksOutsideFolder: false,
  maxFileBytes: 1024,
}

let root: string
let folder: string

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), 'fs-access-')))
  folder = join(root, 'certs')
  await mkdir(folder, { mode: 0o755 })
})

afterEach(() => rm(root, { recursive: true, force: true }))

function fileAt(path: string, isKey: boolean = false): WatchedFile {
  return { path, name: `the file ${path}`, isKey }
}

async function put(
  name: string,
  mode: number = 0o600,
  content: string = 'content',
): Promise<string> {
  const path = join(folder, name)
  await writeFile(path, content)
  await chmod(path, mode)
  return path
}

/** The code by which a file is refused, and what it is read as when that is relaxed. */
async function outcome(
  path: string,
  relaxed: Partial<ReadRules> = {},
  isKey = false,
): Promise<string> {
  try {
    return String(await readSafely(fileAt(path, isKey), { ...STRICT, ...relaxed }))
  } catch (error) {
    return String(Reflect.get(error as object, 'code'))
  }
}

describe('a key', () => {
  test.each([
    [0o600, 'content'],
    [0o400, 'content'],
    [0o640, 'key-exposed'],
    [0o440, 'key-exposed'],
    [0o604, 'key-exposed'],
    [0o644, 'key-exposed'],
  ])('of mode %o gives %s', async (mode, expected) => {
    expect(await outcome(await put('key', mode), {}, true)).toBe(expected)
  })

  test('that its group may read is accepted by one option, and that everybody may read by another', async () => {
    const group = await put('group', 0o440)
    const all = await put('all', 0o444)
    expect(await outcome(group, { allowGroupReadableKey: true }, true)).toBe('content')
    expect(await outcome(all, { allowGroupReadableKey: true }, true)).toBe('key-exposed')
    expect(await outcome(all, { allowWorldReadableKey: true }, true)).toBe('content')
  })

  test('alone has to be private: certificates may be read by everybody', async () => {
    expect(await outcome(await put('svid', 0o644))).toBe('content')
  })
})

describe('what others can change', () => {
  test.each([0o602, 0o622, 0o666])('a file of mode %o is refused', async (mode) => {
    const path = await put('svid', mode)
    expect(await outcome(path)).toBe('world-writable')
    expect(await outcome(path, { allowWorldWritable: true })).toBe('content')
  })

  test('a folder anywhere on the way is refused, whatever is below it', async () => {
    const path = await put('svid')
    await chmod(root, 0o777)
    expect(await outcome(path)).toBe('world-writable')
    expect(await outcome(path, { allowWorldWritable: true })).toBe('content')
  })

  test('so is one that a link leads through', async () => {
    const open = join(root, 'open')
    await mkdir(join(open, 'certs'), { recursive: true })
    await writeFile(join(open, 'certs', 'svid'), 'content')
    await chmod(open, 0o777)
    await symlink(join(open, 'certs'), join(root, 'link'))
    expect(await outcome(join(root, 'link', 'svid'))).toBe('world-writable')
  })

  test('a folder with the sticky bit is not: there only owners replace their files', async () => {
    const path = await put('svid')
    await chmod(folder, 0o1777)
    expect(await outcome(path)).toBe('content')
  })

  test.each([
    ['a file', 0o100600],
    ['a folder', 0o040755],
    ['a symbolic link', 0o120777],
  ])('%s of another user is refused, and one of root is not', (_what, mode) => {
    const stats = Object.assign(Object.create(Stats.prototype) as Stats, statSync(root), { mode })
    const uid = (process.geteuid?.() ?? 0) + 1
    const look = (owner: number, allowForeignOwner: boolean): void =>
      assertUnchangeable('it', Object.assign(stats, { uid: owner }), {
        ...STRICT,
        allowForeignOwner,
      })
    expect(() => look(uid, false)).toThrow(expect.objectContaining({ code: 'foreign-owner' }))
    expect(() => look(uid, true)).not.toThrow()
    expect(() => look(0, false)).not.toThrow()
  })
})

describe('symbolic links', () => {
  test('within the folder are followed, as those of a Kubernetes volume', async () => {
    await mkdir(join(folder, '..2026_01_01'))
    await put('..2026_01_01/tls.key')
    await symlink('..2026_01_01', join(folder, '..data'))
    await symlink('..data/tls.key', join(folder, 'tls.key'))
    expect(await outcome(join(folder, 'tls.key'), {}, true)).toBe('content')
  })

  test.each([
    ['absolute', () => join(root, 'other')],
    ['relative', () => '../other'],
    ['in two steps', () => 'step'],
  ])('that leave it are refused: %s', async (_how, target) => {
    await writeFile(join(root, 'other'), 'content')
    await symlink('../other', join(folder, 'step'))
    const path = join(folder, 'svid')
    await symlink(target(), path)
    expect(await outcome(path)).toBe('link-leaves-folder')
    expect(await outcome(path, { allowLinksOutsideFolder: true })).toBe('content')
  })

  test('to a folder whose name begins like that of the own one are refused', async () => {
    await mkdir(`${folder}2`)
    await writeFile(join(`${folder}2`, 'svid'), 'content')
    await symlink('../certs2/svid', join(folder, 'svid'))
    expect(await outcome(join(folder, 'svid'))).toBe('link-leaves-folder')
  })

  test('to the folder itself are followed', async () => {
    await put('svid')
    await symlink('certs', join(root, 'current'))
    expect(await outcome(join(root, 'current', 'svid'))).toBe('content')
  })

  test('in a circle end', async () => {
    await symlink('two', join(folder, 'one'))
    await symlink('one', join(folder, 'two'))
    expect(await outcome(join(folder, 'one'))).toBe('unreadable')
  })
})

describe('what is not a file of a sensible size', () => {
  test('a folder is refused', async () => {
    expect(await outcome(folder)).toBe('not-a-file')
  })

  test('a pipe is refused, and not waited for', async () => {
    const path = join(folder, 'pipe')
    execFileSync('mkfifo', [path])
    expect(await outcome(path)).toBe('not-a-file')
  })

  test('a device is refused', async () => {
    expect(await outcome('/dev/zero', { allowWorldWritable: true })).toBe('not-a-file')
  })

  test('a file of the limit is read, and one of a byte more is refused', async () => {
    expect(await outcome(await put('fits', 0o600, 'x'.repeat(1024)))).toHaveLength(1024)
    expect(await outcome(await put('large', 0o600, 'x'.repeat(1025)))).toBe('too-large')
  })

  test('an empty file is read as one', async () => {
    expect(await outcome(await put('empty', 0o600, ''))).toBe('')
  })

  test('a file of the kernel, which has no size, is refused', async () => {
    expect(await readFile('/proc/self/stat', 'utf8')).not.toBe('')
    expect(await outcome('/proc/self/stat', { allowLinksOutsideFolder: true })).toBe('unsettled')
  })

  test('a file that is not there is unreadable', async () => {
    expect(await outcome(join(folder, 'none'))).toBe('unreadable')
  })
})
