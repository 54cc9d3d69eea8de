import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { ForgedRepository, NOW, open } from './forged-repository.test.helper.ts'
import type { TufBundleSource, TufErrorCode } from './index.ts'
import { signMetadata, SigningKey } from './repository/signing-key.ts'

const DAY_MS = 86_400_000
const FILE = 'policy.json'

let repository: ForgedRepository
let source: TufBundleSource

beforeEach(async () => {
  repository = await ForgedRepository.serve({ [FILE]: 'first' })
  source = await open(repository, { files: [FILE] })
})

afterEach(async () => {
  await source.close()
  await repository[Symbol.asyncDispose]()
})

/** Asks once, and expects that it is refused with this code, and that what was held stays. */
async function refuses(code: TufErrorCode, held = 'first'): Promise<void> {
  const status = await source.refresh()
  expect([source.state, status.lastFailure?.code, status.failures]).toEqual(['stale', code, 1])
  expect(source.error?.code).toBe(code)
  expect(source.file(FILE)?.bytes.toString()).toBe(held)
  // It does not get better by asking at once.
  expect(status.nextRefreshAt).toBeGreaterThanOrEqual(NOW + 300_000)
}

/** Publishes another content, which the source takes. */
async function publishSecond(): Promise<void> {
  repository.setTarget(FILE, 'second')
  repository.nextAll()
  const status = await source.refresh()
  expect([status.lastFailure, source.file(FILE)?.bytes.toString()]).toEqual([null, 'second'])
}

/** Opens another source on the same directory. */
async function reopen(): Promise<void> {
  await source.close()
  source = await open(repository, { files: [FILE] })
  await source.refresh()
}

function metadata(name: string): string {
  return String(repository.files.get(`metadata/${name}`))
}

function endless(name: RegExp): void {
  repository.intercept = (path, response) => {
    if (!name.test(path)) return false
    response.writeHead(200)
    function write(): void {
      if (response.destroyed) return
      response.write(Buffer.alloc(65_536, 0x20), () => setImmediate(write))
    }
    write()
    return true
  }
}

function change(name: string, from: string | RegExp, to: string): void {
  repository.files.set(`metadata/${name}`, metadata(name).replace(from, to))
}

function delegate(roles: readonly unknown[], keys: readonly SigningKey[]): void {
  repository.versions.targets++
  repository.publish('targets', (signed) => {
    signed['targets'] = {}
    const entries = keys.map((key) => [key.id, key.entry])
    signed['delegations'] = { keys: Object.fromEntries(entries), roles }
  })
}

describe('a rollback', () => {
  test('to an older timestamp is refused', async () => {
    const old = metadata('timestamp.json')
    await publishSecond()
    repository.files.set('metadata/timestamp.json', old)
    await refuses('rollback', 'second')
  })

  test('to an older timestamp is refused after a restart as well', async () => {
    const old = metadata('timestamp.json')
    await publishSecond()
    repository.files.set('metadata/timestamp.json', old)
    await reopen()
    expect([source.state, source.error?.code]).toEqual(['stale', 'rollback'])
    expect(source.file(FILE)?.bytes.toString()).toBe('second')
  })

  test('to an older snapshot is refused, although a newer timestamp names it', async () => {
    await publishSecond()
    repository.versions.snapshot = 1
    repository.next('timestamp')
    await refuses('rollback', 'second')
  })

  test('to older targets is refused, although a newer snapshot names them', async () => {
    await publishSecond()
    repository.versions.targets = 1
    repository.next('snapshot', 'timestamp')
    await refuses('rollback', 'second')
  })

  test('by a snapshot that leaves metadata out is refused', async () => {
    repository.versions.snapshot++
    repository.publish('snapshot', (signed) => {
      signed['meta'] = { 'other.json': { version: 1 } }
    })
    repository.next('timestamp')
    await refuses('rollback')
  })

  test('to an older root is refused', async () => {
    repository.nextRoot()
    await source.refresh()
    repository.files.set('metadata/3.root.json', metadata('1.root.json'))
    await refuses('version-mismatch')
  })
})

describe('a freeze', () => {
  test('ends when the timestamp expires, also one that has not changed', async () => {
    await source.close()
    let now = NOW
    source = await open(repository, { files: [FILE], clock: () => now })
    await source.refresh()
    now += DAY_MS - 1
    expect((await source.refresh()).lastFailure).toBeNull()
    now += 1
    expect((await source.refresh()).lastFailure?.code).toBe('expired')
    expect(source.state).toBe('stale')
  })

  test('is not prolonged by setting the clock back', async () => {
    await source.close()
    let now = NOW + DAY_MS - 1000
    source = await open(repository, { files: [FILE], clock: () => now })
    await source.refresh()
    repository.expiresAt.timestamp = NOW + DAY_MS - 2000
    repository.next('timestamp')
    now = NOW
    const status = await source.refresh()
    expect([source.state, status.lastFailure?.code]).toEqual(['stale', 'expired'])
  })

  test.each(['root', 'timestamp', 'snapshot', 'targets'] as const)(
    'with %s that has expired is refused',
    async (role) => {
      repository.expiresAt[role] = NOW - 1000
      if (role === 'root') repository.nextRoot()
      else repository.nextAll()
      await refuses('expired')
    },
  )

  test('of one target ends when that could not be verified for too long', async () => {
    await source.close()
    let now = NOW
    const bundle = '{"keys":[],"spiffe_sequence":1}'
    repository.setTarget('a.json', bundle)
    repository.setTarget('b.json', bundle)
    repository.nextAll()
    source = await open(repository, {
      bundles: [
        { path: 'a.json', trustDomain: 'a.test' },
        { path: 'b.json', trustDomain: 'b.test' },
      ],
      allowEmptyBundles: true,
      clock: () => now,
      maxStalenessMs: 10 * DAY_MS,
    })
    expect(source.bundles.size).toBe(2)
    repository.setTarget('a.json', '{"keys":[],"spiffe_sequence":2}')
    repository.expiresAt.timestamp = NOW + 30 * DAY_MS
    repository.nextAll()
    repository.intercept = (path, response) => {
      if (!path.endsWith('.a.json')) return false
      response.writeHead(503).end()
      return true
    }
    now += 10 * DAY_MS - 1
    await source.refresh()
    expect([source.bundles.size, source.state]).toEqual([2, 'stale'])
    now += 1
    expect(Array.from(source.bundles, ({ trustDomain }) => trustDomain.name)).toEqual(['b.test'])
    expect(Array.from(source.jwtBundles, ({ trustDomain }) => trustDomain.name)).toEqual(['b.test'])
  })
})

describe('mix and match', () => {
  test('of a snapshot with other octets than the timestamp says is refused', async () => {
    repository.next('targets', 'snapshot', 'timestamp')
    const { snapshot } = repository.versions
    const text = metadata(`${snapshot}.snapshot.json`)
    repository.files.set(`metadata/${snapshot}.snapshot.json`, text.replace('\n', ' '))
    await refuses('hash-mismatch')
  })

  test('of a snapshot of another version is refused', async () => {
    const old = metadata('1.snapshot.json')
    repository.next('snapshot')
    repository.versions.timestamp++
    repository.publish('timestamp', (signed) => {
      signed['meta'] = { 'snapshot.json': { version: 2 } }
    })
    repository.files.set('metadata/2.snapshot.json', old)
    await refuses('version-mismatch')
  })

  test('of targets of another version is refused', async () => {
    const old = metadata('1.targets.json')
    repository.next('targets')
    repository.versions.snapshot++
    repository.publish('snapshot', (signed) => {
      signed['meta'] = { 'targets.json': { version: 2 } }
    })
    repository.next('timestamp')
    repository.files.set('metadata/2.targets.json', old)
    await refuses('version-mismatch')
  })

  test('of metadata of another role is refused', async () => {
    repository.files.set('metadata/timestamp.json', metadata('1.snapshot.json'))
    await refuses('invalid-metadata')
  })

  test('of a target with other octets of the same length is refused', async () => {
    repository.setTarget(FILE, 'second')
    repository.nextAll()
    for (const [path, content] of repository.files) {
      if (path.startsWith('targets/') && content.toString() === 'second') {
        repository.files.set(path, 'S3CON!')
      }
    }
    await refuses('hash-mismatch')
  })
})

describe('endless data', () => {
  test.each([
    ['root', /2\.root\.json/],
    ['timestamp', /timestamp\.json/],
    ['snapshot', /snapshot\.json/],
    ['targets', /metadata\/\d+\.targets\.json/],
    ['target', /^targets\//],
  ])('of a %s is cut off', async (_, name) => {
    repository.setTarget(FILE, 'second')
    repository.nextAll()
    endless(name)
    await refuses('too-large')
  })

  test('is cut off at a limit of our own, however long the metadata says that it is', async () => {
    repository.next('snapshot')
    repository.versions.timestamp++
    repository.publish('timestamp', (signed) => {
      signed['meta'] = { 'snapshot.json': { version: 2, length: 10 ** 12 } }
    })
    endless(/snapshot\.json/)
    await refuses('too-large')
  })

  test('of a target is not even asked for when it is announced', async () => {
    repository.setTarget(FILE, Buffer.alloc(5 * 1024 * 1024, 0x20))
    repository.nextAll()
    repository.requests.length = 0
    await refuses('too-large')
    expect(repository.requests.some((path) => path.startsWith('targets/'))).toBe(false)
  })

  test('of roots, one after the other, ends', async () => {
    for (let count = 0; count < 300; count++) repository.nextRoot()
    repository.requests.length = 0
    await source.refresh()
    expect(repository.requests.filter((path) => path.endsWith('root.json'))).toHaveLength(256)
    expect(source.status.rootVersion).toBe(257)
  })
})

describe('a fast-forward', () => {
  test('beyond what can be counted is refused', async () => {
    const text = metadata('timestamp.json').replace(/"version": 1,/, `"version": ${2 ** 53},`)
    repository.files.set('metadata/timestamp.json', text)
    await refuses('invalid-metadata')
  })

  test('is recovered from by new keys of timestamp and snapshot', async () => {
    Object.assign(repository.versions, { snapshot: 99_999, timestamp: 99_999 })
    repository.publish('snapshot')
    repository.publish('timestamp')
    expect((await source.refresh()).timestampVersion).toBe(99_999)
    repository.keys.snapshot = [SigningKey.generate()]
    repository.keys.timestamp = [SigningKey.generate()]
    repository.nextRoot()
    Object.assign(repository.versions, { snapshot: 1, timestamp: 1 })
    repository.setTarget(FILE, 'second')
    repository.nextAll()
    const status = await source.refresh()
    expect([status.lastFailure, status.timestampVersion]).toEqual([null, 2])
    expect(source.file(FILE)?.bytes.toString()).toBe('second')
  })
})

describe('a threshold', () => {
  test.each(['targets', 'snapshot', 'timestamp'] as const)(
    'of two is not met by one key of %s',
    async (role) => {
      const [one] = repository.keys[role]
      repository.keys[role] = [one!, SigningKey.generate()]
      repository.thresholds[role] = 2
      repository.nextRoot()
      repository.keys[role] = [one!]
      repository.nextAll()
      await refuses('bad-signature')
    },
  )

  test('of two is met by two keys', async () => {
    repository.keys.targets = [SigningKey.generate(), SigningKey.generate()]
    repository.thresholds.targets = 2
    repository.nextRoot()
    await publishSecond()
  })

  test('is not met by one key under two names', async () => {
    const [one] = repository.keys.targets
    repository.thresholds.targets = 2
    repository.versions.root++
    repository.publishRoot([], (signed) => {
      const id = 'f'.repeat(64)
      const root = signed as { keys: Record<string, unknown>; roles: Record<string, unknown> }
      root.keys[id] = one!.entry
      root.roles['targets'] = { keyids: [one!.id, id], threshold: 2 }
    })
    await refuses('invalid-metadata')
  })

  test('is not met by the keys of a stranger', async () => {
    repository.keys.timestamp = [SigningKey.generate()]
    repository.nextAll()
    await refuses('bad-signature')
  })
})

describe('a replaced root', () => {
  test('that the keys of the one before have not signed is refused', async () => {
    repository.keys.root = [SigningKey.generate()]
    repository.nextRoot()
    await refuses('bad-signature')
  })

  test('that its own keys have not signed is refused', async () => {
    const former = [...repository.keys.root]
    const stranger = SigningKey.generate()
    repository.keys.root = [stranger]
    repository.nextRoot(former)
    const { signed } = JSON.parse(metadata('2.root.json')) as { signed: object }
    repository.files.set('metadata/2.root.json', signMetadata(signed, former))
    await refuses('bad-signature')
  })

  test('that both have signed is taken, and remembered', async () => {
    const former = [...repository.keys.root]
    repository.keys.root = [SigningKey.generate()]
    repository.nextRoot(former)
    await publishSecond()
    expect(source.status.rootVersion).toBe(2)
    repository.requests.length = 0
    await reopen()
    expect(repository.requests[0]).toBe('metadata/3.root.json')
  })

  test('whose version is one too high is refused', async () => {
    repository.versions.root = 3
    repository.publishRoot()
    repository.files.set('metadata/2.root.json', metadata('3.root.json'))
    await refuses('version-mismatch')
  })

  test('is kept although what follows is refused', async () => {
    repository.keys.timestamp = [SigningKey.generate()]
    repository.nextRoot()
    await refuses('bad-signature')
    await reopen()
    expect(repository.requests.at(-2)).toBe('metadata/3.root.json')
  })
})

describe('metadata that can be read in two ways', () => {
  test.each([
    ['a key twice', /"version": 2/, '"version": 2, "version": 9'],
    ['a version that is not whole', /"version": 2/, '"version": 2.5'],
    ['a version of 0', /"version": 2/, '"version": 0'],
    ['a time without a zone', /"expires": "[^"]*"/, '"expires": "2030-01-01 00:00"'],
    ['no time', /"expires": "[^"]*"/, '"expires": "never"'],
    ['the key __proto__', '"signed": {', '"signed": { "__proto__": 1,'],
    ['what is no JSON', /^\{/, ''],
  ])('because of %s is refused', async (_, from, to) => {
    repository.next('timestamp')
    change('timestamp.json', from, to)
    await refuses('invalid-metadata')
  })

  test('because it is not UTF-8 is refused', async () => {
    repository.files.set('metadata/timestamp.json', Buffer.from([0x7b, 0xff, 0x7d]))
    await refuses('invalid-metadata')
  })

  test('because a target has no hash is refused', async () => {
    repository.versions.targets++
    repository.publish('targets', (signed) => {
      signed['targets'] = { [FILE]: { length: 5, hashes: { md5: 'x' } } }
    })
    repository.next('snapshot', 'timestamp')
    await refuses('invalid-metadata')
  })
})

describe('delegations', () => {
  test('to a role with a reserved name are refused', async () => {
    const key = SigningKey.generate()
    const role = { keyids: [key.id], threshold: 1, terminating: false, paths: ['*'] }
    delegate([{ ...role, name: 'constructor' }], [key])
    repository.next('snapshot', 'timestamp')
    await refuses('invalid-metadata')
  })

  test.each(['+(a|aa)b', '{a,b}.json', '!x', 'x/#y', '*a*a*a*a*a*b', 'a'.repeat(1001)])(
    'by the pattern %s, which is endless or two things to two readers, are refused',
    async (pattern) => {
      const key = SigningKey.generate()
      const role = { keyids: [key.id], threshold: 1, terminating: false, paths: ['*', pattern] }
      delegate([{ ...role, name: 'a' }], [key])
      repository.next('snapshot', 'timestamp')
      await refuses('invalid-metadata')
    },
  )

  test('in a circle end', async () => {
    const key = SigningKey.generate()
    const role = { keyids: [key.id], threshold: 1, terminating: false, paths: ['*'] }
    delegate([{ ...role, name: 'a' }], [key])
    const signed = {
      ...JSON.parse(metadata('2.targets.json')).signed,
      version: 1,
      delegations: { keys: { [key.id]: key.entry }, roles: [{ ...role, name: 'a' }] },
    }
    repository.files.set('metadata/1.a.json', signMetadata(signed, [key]))
    repository.versions.snapshot++
    repository.publish('snapshot', (snapshot) => {
      snapshot['meta'] = { 'targets.json': { version: 2 }, 'a.json': { version: 1 } }
    })
    repository.next('timestamp')
    await refuses('no-target')
  })
})
