import { rm } from 'node:fs/promises'
import { injectAs } from '@fastify-spiffe/peer/test-kit'
import { afterEach, describe, expect, test } from '@jest/globals'
import type { PolicyDocument } from '../index.ts'
import {
  ACME,
  endAll,
  MemoryBus,
  policyFile,
  policyOf,
  replica,
  type Replica,
  replicasEvents,
  ScriptedReplica,
  turn,
  until,
  WEB,
} from './replicas.test.helper.ts'
import { internal } from './policy-internals.test.helper.ts'

const { contentDigest } = await internal<
  typeof import('../../../policy/src/document/content-digest.ts')
>('document/content-digest.js')

afterEach(endAll)

const LOCKDOWN: PolicyDocument = {
  version: 'lockdown',
  prefixes: { '/': { allow: ['spiffe://example.org/ops/x'] } },
}

const version = ({ app }: Replica): string => app.authz.policyVersion
const status = async ({ app }: Replica): Promise<number> =>
  (await injectAs(app, WEB, '/guarded')).statusCode
const agreement = ({ app }: Replica): string | undefined => app.authz.replicas()?.policy

/** Two heartbeats, in which what is wanted is tried. */
async function beats(bus: MemoryBus): Promise<void> {
  const { length } = bus.sent
  await until(() => bus.sent.length > length + 3)
}

/** What another replica says of a document. */
const statement = (document: PolicyDocument, epoch: number) => ({
  epoch,
  digest: contentDigest(document),
  version: document.version ?? '',
})

describe('the policies of replicas', () => {
  test('follow the file that one of them has read anew', async () => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    await write(policyOf('v2'))
    expect(await one.app.authz.reload()).toBe('v2')
    await until(() => version(two) === 'v2')
    await beats(bus)
    expect([agreement(one), agreement(two)]).toEqual(['agreed', 'agreed'])
  })

  test('follow a file that is rolled back to the same bytes, whatever was invalidated meanwhile', async () => {
    const { file, write } = await policyFile(policyOf('v1'))
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    await write(policyOf('v2'))
    const reloading = two.app.authz.reload()
    one.app.authz.invalidate(ACME)
    await reloading
    await until(() => version(one) === 'v2')
    await write(policyOf('v1'))
    await two.app.authz.reload()
    await until(() => version(one) === 'v1')
  })

  test('tell documents apart that have the same version', async () => {
    const { file, write } = await policyFile({
      ...policyOf('v1'),
      roles: { a: ['spiffe://a.org/b'] },
    })
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    await write({ ...LOCKDOWN, version: 'v1' })
    await one.app.authz.reload()
    while ((await status(two)) === 200) await turn()
    await write(policyOf('v1'))
    await two.app.authz.reload()
    while ((await status(one)) === 403) await turn()
  })

  test('stay as code has put them in force, whatever others tell of, until all agree', async () => {
    const { file } = await policyFile()
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    await one.app.authz.reload(LOCKDOWN)
    await until(() => agreement(two) === 'differs')
    two.app.authz.invalidate(ACME)
    two.app.authz.invalidate()
    await beats(bus)
    expect([await status(one), await status(two)]).toEqual([403, 200])
    await two.app.authz.reload(LOCKDOWN)
    await beats(bus)
    expect([await status(one), await status(two)]).toEqual([403, 403])
    expect([agreement(one), agreement(two)]).toEqual(['agreed', 'agreed'])
    const codes = two.lines().map(({ code, policyVersion }) => code ?? policyVersion)
    expect(codes).toEqual(['policy-differs', 'lockdown'])
  })

  test('agree when code puts one document in force in all at once, in whatever order of its keys', async () => {
    const { file } = await policyFile()
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    const { version: name, prefixes } = LOCKDOWN as Required<PolicyDocument>
    await Promise.all([
      one.app.authz.reload({ version: name, prefixes }),
      two.app.authz.reload({ prefixes, version: name }),
    ])
    await beats(bus)
    expect([await status(one), await status(two)]).toEqual([403, 403])
    expect([agreement(one), agreement(two)]).toEqual(['agreed', 'agreed'])
  })

  test('that code has put in force give way to no file that was there before, though another replica reads it later', async () => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    await write(policyOf('v2'))
    await one.app.authz.reload(LOCKDOWN)
    await two.app.authz.reload()
    await until(() => agreement(one) === 'differs')
    await beats(bus)
    expect([await status(one), version(two)]).toEqual([403, 'v2'])
    await one.app.authz.reload()
    await until(() => agreement(one) === 'agreed')
    expect(version(one)).toBe('v2')
  })

  test('that code has put in force give way to a later file, and the log says so', async () => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    await one.app.authz.reload(LOCKDOWN)
    await write(policyOf('v2'))
    await two.app.authz.reload()
    await until(() => version(one) === 'v2')
    await turn()
    const line = one.lines().find(({ former }) => former === 'lockdown')
    expect(line).toMatchObject({ level: 40, policyVersion: 'v2' })
  })

  test('of a file that is behind are taken over when it arrives, and a warning says so until then', async () => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const events = replicasEvents()
    const one = await replica(bus, { policy: { file } })
    const other = new ScriptedReplica(bus)
    other.sync(statement(policyOf('v2'), Date.now()))
    await until(() => events.at(-1)?.policy === 'differs')
    await beats(bus)
    expect(one.lines()).toMatchObject([
      { level: 40, code: 'policy-differs', policyVersion: 'v1', differingVersion: 'v2' },
    ])
    await write(policyOf('v2'))
    await until(() => events.at(-1)?.policy === 'agreed')
    expect(version(one)).toBe('v2')
    await until(() => one.lines().some(({ level }) => level === 30))
    expect(one.lines().at(-1)).toMatchObject({ level: 30, policyVersion: 'v2' })
  })

  test('are not taken from a file that holds something else than what another replica has', async () => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const one = await replica(bus, { policy: { file } })
    await write(policyOf('v3'))
    new ScriptedReplica(bus).sync(statement(policyOf('v2'), Date.now()))
    await until(() => agreement(one) === 'differs')
    expect(version(one)).toBe('v1')
  })

  test('never go back for a message that is sent again, though the file is behind', async () => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const one = await replica(bus, { policy: { file } })
    const other = new ScriptedReplica(bus)
    const now = Date.now()
    const old = [other.sync(statement(policyOf('v1'), now - 2000)), other.invalidate('*')]
    await write(policyOf('v2'))
    other.sync(statement(policyOf('v2'), now - 1000))
    await until(() => version(one) === 'v2')
    await write(policyOf('v1'))
    for (const text of old) bus.deliver(text)
    await beats(bus)
    expect([version(one), agreement(one)]).toEqual(['v2', 'agreed'])
  })

  test.each<[string, number, number]>([
    ['was sent long ago', -3_600_000, -3_600_000],
    ['is dated from the future', 3_600_000, 0],
    ['has an epoch in the future', 0, 3_600_000],
    ['has the greatest epoch that there is', 0, Number.MAX_SAFE_INTEGER - Date.now() - 600_000],
  ])('are not believed of a message that %s, and a warning says so', async (_, sent, epoch) => {
    const { file, write } = await policyFile()
    const bus = new MemoryBus()
    const one = await replica(bus, { policy: { file } })
    await write(policyOf('v2'))
    const now = Date.now()
    new ScriptedReplica(bus).sync(statement(policyOf('v2'), now + epoch), now + sent)
    await until(() => one.lines().some(({ code }) => code === 'clock-differs'))
    expect([version(one), agreement(one)]).toEqual(['v1', 'agreed'])
    // It spoils nothing: what is true is believed.
    new ScriptedReplica(bus).sync(statement(policyOf('v2'), now))
    await until(() => version(one) === 'v2')
  })

  test('of two that change at once come to one and the same, whoever hears of whom first', async () => {
    const [left, right] = [policyOf('left'), policyOf('right')]
    const [winner, loser] =
      contentDigest(left) > contentDigest(right) ? [left, right] : [right, left]
    const bus = new MemoryBus()
    const time = { now: Date.now() }
    const clock = (): number => time.now
    const [one, two] = [
      await replica(bus, { clock, policy: winner }),
      await replica(bus, { clock, policy: loser }),
    ]
    time.now += 1000
    await Promise.all([one.app.authz.reload(winner), two.app.authz.reload(loser)])
    await until(() => agreement(two) === 'differs')
    expect(agreement(one)).toBe('agreed')
    await two.app.authz.reload(winner)
    await until(() => agreement(two) === 'agreed')
  })

  test('that differ at the boot stay as they are, and both sides say so', async () => {
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: policyOf('v1') }),
      await replica(bus, { policy: policyOf('v2') }),
    ]
    await until(() => agreement(one) === 'differs' && agreement(two) === 'differs')
    expect([version(one), version(two)]).toEqual(['v1', 'v2'])
    await one.app.authz.reload(policyOf('v2'))
    await until(() => agreement(one) === 'agreed' && agreement(two) === 'agreed')
  })

  test('of a replica that is started again with an older file are published to nobody', async () => {
    const { file } = await policyFile()
    const bus = new MemoryBus()
    const [one, two] = [
      await replica(bus, { policy: { file } }),
      await replica(bus, { policy: { file } }),
    ]
    await one.app.authz.reload(LOCKDOWN)
    await two.app.authz.reload(LOCKDOWN)
    await two.app.close()
    const three = await replica(bus, { policy: { file } })
    await until(() => agreement(three) === 'differs')
    await beats(bus)
    expect([await status(one), await status(three)]).toEqual([403, 200])
    expect(agreement(one)).toBe('agreed')
  })

  test('are those of whoever calls reload() when they differ, though its file has not changed', async () => {
    const { file } = await policyFile()
    const bus = new MemoryBus()
    const two = await replica(bus, { policy: { file } })
    const other = new ScriptedReplica(bus)
    other.sync(statement(policyOf('v2'), Date.now()))
    await until(() => agreement(two) === 'differs')
    await two.app.authz.reload()
    expect(agreement(two)).toBe('agreed')
    other.sync(statement(policyOf('v2'), Date.now() - 1000))
    expect(agreement(two)).toBe('agreed')
  })

  test('that cannot be read stay out, and the log says so once', async () => {
    const { file } = await policyFile()
    const bus = new MemoryBus()
    const one = await replica(bus, { policy: { file } })
    await rm(file)
    new ScriptedReplica(bus).sync(statement(policyOf('v2'), Date.now()))
    await until(() => agreement(one) === 'differs')
    await beats(bus)
    expect(one.lines().filter(({ level }) => level === 50)).toHaveLength(1)
    expect(version(one)).toBe('v1')
  })

  test('of a replica that nobody has heard of for ten minutes count no more', async () => {
    const time = { now: Date.now() }
    const bus = new MemoryBus()
    const one = await replica(bus, { clock: () => time.now, policy: policyOf('v1') })
    new ScriptedReplica(bus).sync(statement(policyOf('v2'), time.now), time.now)
    await until(() => agreement(one) === 'differs')
    time.now += 601_000
    await until(() => agreement(one) === 'agreed')
  })

  test('of the boot of a replica that has ended count no more', async () => {
    const bus = new MemoryBus()
    const one = await replica(bus, { policy: policyOf('v1') })
    const other = new ScriptedReplica(bus)
    other.sync(statement(policyOf('v2'), 0))
    expect(agreement(one)).toBe('differs')
    other.end()
    expect(agreement(one)).toBe('agreed')
  })
})
