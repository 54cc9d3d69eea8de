import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { EventEmitter, once } from 'node:events'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import type { EnginePolicyEvent } from './events.ts'
import { ReloadablePolicies, type PolicySource } from './reloadable-policies.ts'

let directory: string
let file: string
const told: EnginePolicyEvent[] = []
const listen = (event: unknown): void => void told.push(event as EnginePolicyEvent)

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'hot-policies-'))
  file = join(directory, 'policies')
  await writeFile(file, '')
  told.length = 0
  subscribe('spiffe:authz:engine-policy', listen)
})
afterEach(async () => {
  unsubscribe('spiffe:authz:engine-policy', listen)
  await rm(directory, { recursive: true, force: true })
})

/** Policies whose version is all there is to them. */
async function open(watched: readonly string[] = []) {
  const world = { version: 'good', released: [] as string[], reads: new EventEmitter() }
  const policies = await ReloadablePolicies.open<PolicySource, string>({
    engine: 'judge',
    read: async () => {
      world.reads.emit('read')
      return { version: world.version }
    },
    prepare: async ({ version }) => {
      if (version.startsWith('bad')) throw new TypeError(`${version} policies`)
      return version
    },
    dispose: (it) => void world.released.push(it),
    watched,
  })
  return { policies, world }
}

test('what was refused is not refused again each time that its file is looked at', async () => {
  const { policies, world } = await open([file])
  world.version = 'bad'
  for (let look = 0; look < 3; look++) {
    const read = once(world.reads, 'read')
    await writeFile(file, String(look))
    await read
  }
  // A call does say so again, and waits for those before.
  await expect(policies.reload()).rejects.toMatchObject({ code: 'invalid-policy' })
  expect(told).toEqual(
    Array.from({ length: 2 }, () => ({ engine: 'judge', version: 'good', code: 'invalid-policy' })),
  )

  world.version = 'worse than bad'
  await policies.reload()
  world.version = 'bad'
  await expect(policies.reload()).rejects.toThrow('judge: bad policies')
  expect(policies.current).toBe('worse than bad')
  policies.close()
})

test('each policies are released once: those replaced, those in force at the end, those that come too late', async () => {
  const { policies, world } = await open()
  world.version = 'second'
  await policies.reload()
  expect(world.released).toEqual(['good'])
  world.version = 'third'
  const late = policies.reload()
  policies.close()
  policies.close()
  expect(await late).toBe('second')
  expect(world.released).toEqual(['good', 'second', 'third'])
})

test('a reload begins when the one before has ended, or older policies could come out on top', async () => {
  const reads: ((version: string) => void)[] = []
  const opening = ReloadablePolicies.open<PolicySource, string>({
    engine: 'judge',
    read: () => new Promise((resolve) => reads.push((version) => resolve({ version }))),
    prepare: async ({ version }) => version,
    watched: [],
  })
  reads[0]?.('first')
  const policies = await opening
  const [older, newer] = [policies.reload(), policies.reload()]
  await new Promise(setImmediate)
  expect(reads).toHaveLength(2)
  reads[1]?.('second')
  expect(await older).toBe('second')
  reads[2]?.('third')
  expect(await newer).toBe('third')
  expect(policies.current).toBe('third')
  policies.close()
})
