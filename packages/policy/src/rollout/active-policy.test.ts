import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { RuleTable } from '../rules/rule-table.ts'
import type { PolicyDocument } from '../document/document.ts'
import { ActivePolicy } from './active-policy.ts'
import { loadPolicy } from '../document/load.ts'
import { contentDigest } from '../document/content-digest.ts'

const endings: (() => unknown)[] = []
afterEach(async () => {
  for (const end of endings.splice(0)) await end()
})

/** Rules of an application that has no routes. */
const NO_ROUTES = {
  active: { rules: [] },
  assertKnown: () => undefined,
  compile: () => ({ rules: [] }),
  use: () => undefined,
} as unknown as RuleTable

const version = (name: string): PolicyDocument => ({ version: name })

async function opened() {
  const folder = await mkdtemp(join(tmpdir(), 'authz-enforced-'))
  endings.push(() => rm(folder, { recursive: true }))
  const file = join(folder, 'policy.json')
  const write = (document: PolicyDocument): Promise<void> =>
    writeFile(file, JSON.stringify(document))
  await write(version('v1'))
  const replaced: [string, boolean][] = []
  const policy: ActivePolicy = new ActivePolicy(
    NO_ROUTES,
    await loadPolicy(file),
    file,
    ({ isAdopted }) => void replaced.push([policy.version, isAdopted]),
  )
  await policy.boot()
  return { file, policy, replaced, write }
}

describe('a document that code has put in force', () => {
  test('stays when the file is looked at and has not changed since, and gives way when it has', async () => {
    const { policy, replaced, write } = await opened()
    await policy.replace(version('code'))
    await policy.refresh()
    await write(version('v1'))
    await policy.refresh()
    expect(policy.version).toBe('code')
    await write(version('v2'))
    await policy.refresh()
    expect(replaced).toEqual([
      ['code', false],
      ['v2', false],
    ])
  })

  test('stays for what the file held before it, though nobody had read that', async () => {
    const { policy, write } = await opened()
    await write(version('v2'))
    await policy.replace(version('code'))
    await policy.refresh()
    expect(await policy.adopt(contentDigest(version('v2')), () => true)).toBe(false)
    expect(policy.version).toBe('code')
    await policy.replace(version('more'))
    await policy.refresh()
    expect(policy.version).toBe('more')
  })

  test('stays for the file that was last in force when the file could not be read meanwhile', async () => {
    const { file, policy, write } = await opened()
    await rm(file)
    await policy.replace(version('code'))
    await write(version('v1'))
    await policy.refresh()
    expect(policy.version).toBe('code')
  })

  test('gives way to the same file when code wants it', async () => {
    const { policy } = await opened()
    await policy.replace(version('code'))
    expect(await policy.replace()).toBe('v1')
  })
})

describe('a document of another replica', () => {
  test('is adopted when the file holds just that, and while it is wanted', async () => {
    const { policy, replaced, write } = await opened()
    const digest = contentDigest(version('v2'))
    expect(await policy.adopt(digest, () => true)).toBe(false)
    await write(version('v2'))
    expect(await policy.adopt(digest, () => false)).toBe(false)
    expect(await policy.adopt(digest, () => true)).toBe(true)
    expect(replaced).toEqual([['v2', true]])
  })
})
