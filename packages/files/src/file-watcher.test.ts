// oxlint-disable unicorn/consistent-function-scoping -- helpers stand beside the tests that use them
import { mkdir, mkdtemp, rename, rm, symlink, unlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { SetTimer } from '@fastify-spiffe/spiffe'
import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { FileWatcher } from './file-watcher.ts'
import { type FolderListener, type WatchFolder, watchFolder } from './folder-watchers.ts'

let folder = ''
let file = ''
const watchers: FileWatcher[] = []

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'authz-watch-'))
  file = join(folder, 'policy.json')
  await writeFile(file, 'first')
})

afterEach(async () => {
  for (const watcher of watchers.splice(0)) watcher.close()
  await rm(folder, { recursive: true, force: true })
})

/** Timers that fire when the test moves the time. */
class ManualTimers {
  now = 0
  readonly #due = new Map<() => void, number>()

  readonly set: SetTimer = (callback, delayMs) => {
    const entry = (): void => callback()
    this.#due.set(entry, this.now + delayMs)
    return () => void this.#due.delete(entry)
  }

  get count(): number {
    return this.#due.size
  }

  advance(ms: number): void {
    const end = this.now + ms
    for (;;) {
      const [next] = [...this.#due].filter(([, at]) => at <= end).toSorted(([, a], [, b]) => a - b)
      if (next === undefined) break
      this.now = next[1]
      this.#due.delete(next[0])
      next[0]()
    }
    this.now = end
  }
}

function failing(code: string): () => never {
  return () => {
    throw Object.assign(new Error(code), { code })
  }
}

/** A watcher whose time and folder events the test makes; the files are real ones. */
async function manual(files = [file], open: WatchFolder | null = null) {
  const timers = new ManualTimers()
  const listeners = new Map<string, FolderListener>()
  const told: string[] = []
  const seen = { changes: 0, closed: 0 }
  const watchByHand: WatchFolder = (path, listener) => {
    listeners.set(path, listener)
    return () => {
      seen.closed++
      listeners.delete(path)
    }
  }
  const watcher = new FileWatcher(files, {
    onChange: () => seen.changes++,
    onUnavailable: (message) => told.push(message),
    watchFolder: open ?? watchByHand,
    setTimer: timers.set,
  })
  watchers.push(watcher)
  await watcher.look()
  const emit = (name: string | null, path = folder): void => listeners.get(path)?.onEvent(name)
  /** Moves the time on, and waits for the look that is due then. */
  const advance = async (ms: number): Promise<void> => {
    timers.advance(ms)
    await watcher.look()
  }
  return { watcher, timers, listeners, told, seen, emit, advance }
}

describe('the first look', () => {
  test('tells of a change, since the file may have changed after it was read', async () => {
    const { seen, timers } = await manual()
    timers.advance(50)
    expect(seen.changes).toBe(1)
  })
})

describe('a file that is written in several steps', () => {
  test('has changed once, when nothing has happened to it for a while', async () => {
    const { seen, timers, emit } = await manual()
    timers.advance(50)
    for (let step = 0; step < 10; step++) {
      emit('policy.json')
      timers.advance(40)
    }
    expect(seen.changes).toBe(1)
    timers.advance(10)
    expect(seen.changes).toBe(2)
  })

  test('has changed after a second at the latest, although it is written without a pause', async () => {
    const { seen, timers, emit } = await manual()
    timers.advance(50)
    for (let step = 0; step < 100; step++) {
      emit('policy.json')
      timers.advance(40)
    }
    expect(seen.changes).toBeGreaterThanOrEqual(4)
  })
})

describe('what happens to other files of the folder', () => {
  test('is no change, and delays none', async () => {
    const { seen, timers, emit } = await manual()
    timers.advance(50)
    emit('policy.json')
    for (let step = 0; step < 5; step++) {
      emit('other.log')
      timers.advance(10)
    }
    expect(seen.changes).toBe(2)
    for (let step = 0; step < 20; step++) {
      emit('other.log')
      timers.advance(10)
    }
    expect(seen.changes).toBe(2)
  })

  test('does not put off the look at what the file links to', async () => {
    const data = join(folder, '..data')
    await mkdir(join(folder, '..1'))
    await mkdir(join(folder, '..2'))
    await writeFile(join(folder, '..1', 'linked.json'), 'first')
    await writeFile(join(folder, '..2', 'linked.json'), 'second')
    await symlink('..1', data)
    await symlink('..data/linked.json', join(folder, 'linked.json'))
    const { watcher, seen, timers, emit, listeners } = await manual([join(folder, 'linked.json')])
    timers.advance(50)
    expect([...listeners.keys()]).toEqual([folder, join(folder, '..1')])
    await symlink('..2', join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), data)
    for (let step = 0; step < 12; step++) {
      emit('..data')
      timers.advance(10)
    }
    await watcher.look()
    timers.advance(50)
    expect(seen.changes).toBe(2)
    expect([...listeners.keys()]).toEqual([folder, join(folder, '..2')])
  })
})

describe('without a watcher', () => {
  test.each([
    ['ENOSPC', 'max_user_watches'],
    ['EMFILE', 'max_user_instances'],
    ['EACCES', 'cannot watch'],
  ])('after %s, changes are found by looking, and it is told once', async (code, cure) => {
    const { seen, told, advance } = await manual([file], failing(code))
    await advance(50)
    const before = seen.changes
    await writeFile(file, 'second, longer')
    await advance(2000)
    await advance(50)
    expect(seen.changes).toBe(before + 1)
    await advance(2000)
    await advance(2000)
    expect(told.length).toBe(1)
    expect(told[0]).toContain(`(${code})`)
    expect(told[0]).toContain(cure)
  })

  test('one is opened as soon as the system has one free', async () => {
    let isFree = false
    let opened = 0
    const { advance } = await manual([file], () => {
      if (!isFree) failing('ENOSPC')()
      opened++
      return () => undefined
    })
    await advance(2000)
    expect(opened).toBe(0)
    isFree = true
    await advance(2000)
    expect(opened).toBe(1)
  })

  test('since it failed later, that is reported, and another one is opened', async () => {
    const { seen, told, listeners, advance } = await manual()
    const [first] = listeners.values()
    first?.onError(Object.assign(new Error('gone'), { code: 'ENOSPC' }))
    expect([listeners.size, seen.closed, told.length]).toEqual([0, 1, 1])
    await advance(2000)
    expect(listeners.size).toBe(1)
    expect(listeners.get(folder)).not.toBe(first)
  })
})

describe('a folder', () => {
  test('that is not there yet is watched when it comes', async () => {
    const later = join(folder, 'later', 'policy.json')
    const { seen, told, listeners, advance } = await manual([later])
    await advance(50)
    expect([listeners.size, told.length]).toEqual([0, 0])
    const before = seen.changes
    await mkdir(join(folder, 'later'))
    await writeFile(later, 'first')
    await advance(2000)
    await advance(50)
    expect(seen.changes).toBe(before + 1)
    expect([...listeners.keys()]).toEqual([join(folder, 'later')])
  })

  test('that another one takes the place of is watched anew', async () => {
    const inner = join(folder, 'inner')
    await mkdir(inner)
    await writeFile(join(inner, 'policy.json'), 'first')
    const { seen, listeners, advance } = await manual([join(inner, 'policy.json')])
    await advance(50)
    const [before] = listeners.values()
    await rename(inner, join(folder, 'former'))
    await mkdir(inner)
    await writeFile(join(inner, 'policy.json'), 'second')
    await advance(2000)
    await advance(50)
    expect(listeners.get(inner)).not.toBe(before)
    expect([seen.changes, seen.closed]).toEqual([2, 1])
  })
})

test('a file that is deleted and made again has changed each time', async () => {
  const { seen, advance } = await manual()
  await advance(50)
  await unlink(file)
  await advance(2000)
  await advance(50)
  expect(seen.changes).toBe(2)
  await writeFile(file, 'again')
  await advance(2000)
  await advance(50)
  expect(seen.changes).toBe(3)
})

test('a file system that tells nothing is read every half a minute', async () => {
  const { seen, timers } = await manual()
  timers.advance(50)
  timers.advance(29_950)
  expect(seen.changes).toBe(2)
})

test('closing ends all timers and watchers, also while it looks for the first time', async () => {
  const { watcher, timers, listeners, emit, seen } = await manual()
  emit('policy.json')
  emit('other')
  watcher.close()
  expect([timers.count, listeners.size]).toEqual([0, 0])
  timers.advance(60_000)
  expect(seen.changes).toBe(0)

  let opened = 0
  const early = new FileWatcher([file], {
    onChange: () => undefined,
    onUnavailable: () => undefined,
    watchFolder: () => {
      opened++
      return () => undefined
    },
    setTimer: timers.set,
  })
  early.close()
  await early.look()
  expect([opened, timers.count]).toEqual([0, 0])
})

test('a change of the file is reported by the system itself, and nothing of another file is', async () => {
  const timers = new ManualTimers()
  let events = 0
  let wake: () => void = () => undefined
  const first = new Promise<void>((resolve) => (wake = resolve))
  const watcher = new FileWatcher([file], {
    onChange: () => undefined,
    onUnavailable: () => undefined,
    setTimer: timers.set,
    watchFolder: (path, listener) =>
      watchFolder(path, {
        ...listener,
        onEvent: (name) => {
          events++
          if (name === 'policy.json') wake()
          listener.onEvent(name)
        },
      }),
  })
  watchers.push(watcher)
  await watcher.look()
  await writeFile(join(folder, 'next'), 'second')
  await rename(join(folder, 'next'), file)
  await first
  expect(events).toBeGreaterThan(0)
})
