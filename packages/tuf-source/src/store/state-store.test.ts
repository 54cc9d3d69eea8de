import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdir, readdir, readFile, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { HeldTimers } from '@fastify-spiffe-test/kit/held-timers'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ForgedRepository, open } from '../forged-repository.test.helper.ts'
import { ProcessLock } from './process-lock.ts'

const FILE = 'policy.json'
const files = [FILE]

let repository: ForgedRepository

beforeEach(async () => {
  repository = await ForgedRepository.serve({ [FILE]: 'first' })
})

afterEach(() => repository[Symbol.asyncDispose]())

const inside = (...names: readonly string[]): string => join(repository.directory, ...names)

async function states(): Promise<readonly string[]> {
  return (await readdir(repository.directory)).filter((name) => name.startsWith('state-'))
}

function fail(): void {
  repository.intercept = (_path, response) => {
    response.writeHead(503).end()
    return true
  }
}

/** Opens a source without a repository: what it has is what was stored. */
async function stored(): Promise<{ text: string | undefined; code: string | undefined }> {
  fail()
  await using source = await open(repository, { files })
  const code = source.error?.code
  repository.intercept = () => false
  return { text: source.file(FILE)?.bytes.toString(), code }
}

describe('the directory', () => {
  test('has one complete state, in files that nobody else can read', async () => {
    await using source = await open(repository, { files })
    repository.setTarget(FILE, 'second')
    repository.nextAll()
    await source.refresh()
    expect(await states()).toEqual(['state-2'])
    const names = await readdir(inside('state-2'))
    expect(names.filter((name) => name.endsWith('.json'))).toEqual([
      'root.json',
      'snapshot.json',
      'state.json',
      'targets.json',
      'timestamp.json',
    ])
  })

  test('keeps its folder while nothing but the time changes', async () => {
    await using source = await open(repository, { files })
    await source.refresh()
    await source.refresh()
    expect(await states()).toEqual(['state-1'])
  })

  test('is cleared of what a killed process left, whose state counts for nothing', async () => {
    await (await open(repository, { files })).close()
    await mkdir(inside('staging-1'))
    await writeFile(inside('staging-1', 'state.json'), '{}')
    await writeFile(inside('lock.1.tmp'), '')
    expect(await stored()).toMatchObject({ text: 'first' })
    expect((await readdir(repository.directory)).toSorted()).toEqual(['files', 'state-1'])
  })

  test('with two states has the later one', async () => {
    await using source = await open(repository, { files })
    const kept = inside('kept')
    await mkdir(kept)
    for (const name of await readdir(inside('state-1'))) {
      await writeFile(join(kept, name), await readFile(inside('state-1', name)))
    }
    repository.setTarget(FILE, 'second')
    repository.nextAll()
    await source.refresh()
    await source.close()
    await mkdir(inside('state-1'))
    for (const name of await readdir(kept)) {
      await writeFile(inside('state-1', name), await readFile(join(kept, name)))
    }
    expect(await stored()).toMatchObject({ text: 'second' })
    expect(await states()).toEqual(['state-2'])
  })
})

describe('what is damaged', () => {
  test.each(['root.json', 'timestamp.json', 'targets.json', 'state.json'])(
    'in %s is set aside, and the source begins with the root that was given',
    async (name) => {
      await (await open(repository, { files })).close()
      const text = await readFile(inside('state-1', name), 'utf8')
      await writeFile(inside('state-1', name), text.slice(0, -20))
      expect(await stored()).toEqual({ text: undefined, code: 'unexpected-status' })
      expect(await readdir(inside('quarantine'))).toContain(name)
      await using source = await open(repository, { files })
      expect([source.state, source.file(FILE)?.bytes.toString()]).toEqual(['ready', 'first'])
    },
  )

  test('because a file is missing, or is a link, is set aside as well', async () => {
    await (await open(repository, { files })).close()
    await rm(inside('state-1', 'timestamp.json'))
    await symlink('/etc/passwd', inside('state-1', 'timestamp.json'))
    expect(await stored()).toMatchObject({ text: undefined })
  })
})

describe('a disk that takes nothing more', () => {
  test('leaves the old state there, and what is new in use; it is stored later', async () => {
    await using source = await open(repository, { files })
    // The next state cannot have its name.
    await mkdir(inside('state-2', 'x'), { recursive: true })
    repository.setTarget(FILE, 'second')
    repository.nextAll()
    const { storeFailure } = await source.refresh()
    expect(storeFailure?.code).toBe('store-failed')
    expect([source.state, source.file(FILE)?.bytes.toString()]).toEqual(['ready', 'second'])
    expect(await states()).toEqual(['state-1', 'state-2'])
    expect((await readdir(repository.directory)).some((name) => name.startsWith('staging'))).toBe(
      false,
    )
    await rm(inside('state-2'), { recursive: true })
    expect((await source.refresh()).storeFailure).toBeNull()
    await source.close()
    expect(await stored()).toMatchObject({ text: 'second' })
  })
})

function acquire(): Promise<ProcessLock> {
  return ProcessLock.acquire(repository.folder, new HeldTimers().setTimer)
}

function lock(): string {
  return join(repository.folder, 'lock')
}

describe('the lock', () => {
  test('is for one process, and free again when that has ended', async () => {
    const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'])
    const first = await acquire()
    const holder = JSON.parse(await readFile(lock(), 'utf8'))
    await first.release()
    const stat = await readFile(`/proc/${child.pid}/stat`, 'utf8').catch(() => '')
    const startedAt = stat.slice(stat.lastIndexOf(')') + 2).split(' ')[19] ?? ''
    await writeFile(lock(), JSON.stringify({ ...holder, pid: child.pid, startedAt }))
    await expect(acquire()).rejects.toMatchObject({ code: 'directory-in-use' })
    child.kill('SIGKILL')
    await once(child, 'exit')
    await (await acquire()).release()
  })

  test('of another machine is free a minute after it was last touched', async () => {
    const held = { id: 'other', pid: 1, namespace: 'elsewhere', startedAt: '1' }
    await writeFile(lock(), JSON.stringify(held))
    await expect(acquire()).rejects.toMatchObject({ code: 'directory-in-use' })
    const before = new Date(Date.now() - 61_000)
    await utimes(lock(), before, before)
    await (await acquire()).release()
  })

  test('that cannot be read is free after a minute too', async () => {
    await writeFile(lock(), 'rubbish')
    await expect(acquire()).rejects.toMatchObject({ code: 'directory-in-use' })
    const before = new Date(Date.now() - 61_000)
    await utimes(lock(), before, before)
    await (await acquire()).release()
  })

  test('of a number that another process has now is free', async () => {
    const first = await acquire()
    const holder = JSON.parse(await readFile(lock(), 'utf8'))
    await first.release()
    await writeFile(lock(), JSON.stringify({ ...holder, id: 'former', startedAt: '1' }))
    const second = await acquire()
    await second.assertHeld()
    await second.release()
  })

  test('that another process has taken lets nothing be written any more', async () => {
    await using source = await open(repository, { files })
    await writeFile(
      inside('lock'),
      JSON.stringify({ id: 'x', pid: 1, namespace: '', startedAt: '' }),
    )
    repository.setTarget(FILE, 'second')
    repository.nextAll()
    expect((await source.refresh()).storeFailure?.code).toBe('directory-in-use')
    expect(await states()).toEqual(['state-1'])
  })
})

test('a directory whose mode was opened is refused at the next start', async () => {
  await (await open(repository, { files })).close()
  await chmod(repository.directory, 0o770)
  await expect(open(repository, { files })).rejects.toMatchObject({ code: 'unsafe-directory' })
})
