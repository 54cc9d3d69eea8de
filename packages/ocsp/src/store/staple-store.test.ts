import { execFileSync } from 'node:child_process'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import { fingerprintOf } from '../certificate/own-certificate.ts'
import type { OcspStoreFailedEvent } from '../events.ts'
import { revoked } from '@fastify-spiffe-test/kit/ocsp-responses'
import { TestResponder, WebCa, type WebCertificate } from '@fastify-spiffe-test/kit/web-ca'
import { OcspStapler } from '../staple/stapler.ts'
import { StapleStore } from './staple-store.ts'

let web: WebCertificate
let folder: string

beforeAll(async () => {
  web = await (await WebCa.make()).mint()
})

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ocsp-'))
})

afterEach(() => {
  rmSync(folder, { recursive: true })
})

const down: TestResponder['answering'] = (_, response) => void response.destroy()

const fileOf = (directory: string): string =>
  join(directory, `${fingerprintOf(web.certificate.raw)}.ocsp`)

async function openOn(responder: TestResponder, directory: string): Promise<OcspStapler> {
  return OcspStapler.open({ certificate: web.cert, responderUrl: responder.url, directory })
}

/** Waits until the answer is on disk: it is stored after it is used. */
async function stored(directory: string): Promise<Buffer> {
  for (;;) {
    if (readdirSync(directory).some((name) => name.endsWith('.ocsp'))) {
      return readFileSync(fileOf(directory))
    }
    await new Promise((resolve) => setImmediate(resolve))
  }
}

const expired = (): Buffer =>
  web.answer({ thisUpdate: Date.now() - 10_000_000, nextUpdate: Date.now() - 5_000_000 })

const spoilt = (): Buffer => {
  const answer = web.answer()
  answer[answer.length - 5]! ^= 1
  return answer
}

describe('answers on disk', () => {
  test('survive a restart while the responder is down, in files that nobody else can read', async () => {
    const directory = join(folder, 'answers')
    const answer = web.answer()
    await using responder = await TestResponder.serve(() => answer)
    await (await openOn(responder, directory)).close()
    expect((await stored(directory)).equals(answer)).toBe(true)
    expect(statSync(directory).mode & 0o777).toBe(0o700)
    expect(statSync(fileOf(directory)).mode & 0o777).toBe(0o600)
    expect(readdirSync(directory)).toHaveLength(1)

    responder.answering = down
    await using restarted = await openOn(responder, directory)
    expect(restarted.staples).toMatchObject([{ stapled: true, status: 'good' }])
  })

  test('are used at the start without a request, until half of their lifetime', async () => {
    const fresh = web.answer({ thisUpdate: Date.now() - 1000 })
    await using responder = await TestResponder.serve(() => fresh)
    await (await openOn(responder, folder)).close()
    await stored(folder)
    await using restarted = await openOn(responder, folder)
    expect(restarted.staples).toMatchObject([{ stapled: true }])
    expect(responder.requests).toHaveLength(1)
  })

  test('are remembered as revoked, too: an older good one does not come back', async () => {
    const now = Date.now()
    await using responder = await TestResponder.serve(() =>
      web.answer({ status: revoked(now - 5000), thisUpdate: now - 1000 }),
    )
    await (await openOn(responder, folder)).close()
    await stored(folder)
    responder.answering = () => web.answer()
    await using restarted = await openOn(responder, folder)
    await restarted.refresh()
    expect(restarted.staples).toMatchObject([
      { status: 'revoked', stapled: false, lastFailure: { code: 'older-answer' } },
    ])
  })

  const damages: [string, (path: string) => void][] = [
    ['is no answer', (path) => writeFileSync(path, 'not an answer')],
    ['is empty', (path) => writeFileSync(path, '')],
    ['is about another certificate', (path) => writeFileSync(path, other)],
    ['has expired', (path) => writeFileSync(path, expired())],
    ['was changed', (path) => writeFileSync(path, spoilt())],
    ['is larger than an answer', (path) => writeFileSync(path, Buffer.alloc(70_000))],
    ['is a folder', (path) => mkdirSync(path)],
    ['is a named pipe', (path) => void execFileSync('mkfifo', [path])],
    ['is a device', (path) => symlinkSync('/dev/zero', path)],
  ]
  let other: Buffer

  beforeAll(async () => {
    other = (await (await WebCa.make()).mint()).answer()
  })

  test.each(damages)('are verified anew: a file that %s counts for nothing', async (_, damage) => {
    damage(fileOf(folder))
    await using responder = await TestResponder.serve(down)
    await using stapler = await openOn(responder, folder)
    expect(stapler.staples).toMatchObject([{ stapled: false }])
  })

  test('that cannot be written are reported, and the staple is used all the same', async () => {
    const events: OcspStoreFailedEvent[] = []
    let heard!: () => void
    const reported = new Promise<void>((resolve) => (heard = resolve))
    const record = (event: unknown): void => {
      events.push(event as OcspStoreFailedEvent)
      heard()
    }
    // A folder where the file should be, which nothing can be renamed to.
    mkdirSync(join(fileOf(folder), 'inside'), { recursive: true })
    subscribe('spiffe:ocsp:store-failed', record)
    try {
      await using responder = await TestResponder.serve(() => web.answer())
      await using stapler = await openOn(responder, folder)
      expect(stapler.staples).toMatchObject([{ stapled: true }])
      await reported
    } finally {
      unsubscribe('spiffe:ocsp:store-failed', record)
    }
    expect(events).toMatchObject([
      { operation: 'write', cause: expect.stringMatching(/^E[A-Z]+$/) },
    ])
    expect(readdirSync(folder)).toHaveLength(1)
  })

  test('are not begun in a folder that cannot be made', async () => {
    const path = join(folder, 'file')
    writeFileSync(path, '')
    await using responder = await TestResponder.serve(down)
    await expect(openOn(responder, join(path, 'x'))).rejects.toMatchObject({
      code: 'invalid-option',
    })
  })
})

describe('the folder', () => {
  test('is freed of what crashes have left, and of nothing else', async () => {
    const fingerprint = fingerprintOf(web.certificate.raw)
    const left = `${fingerprint}.ocsp.00000000-0000-0000-0000-000000000000`
    const young = `${fingerprint}.ocsp.00000000-0000-0000-0000-000000000001`
    for (const name of [left, young, 'notes.txt']) writeFileSync(join(folder, name), '')
    const long = new Date(Date.now() - 3_600_000)
    for (const name of [left, 'notes.txt']) utimesSync(join(folder, name), long, long)
    chmodSync(folder, 0o755)
    const store = await StapleStore.open(folder)
    expect(readdirSync(folder).toSorted()).toEqual([young, 'notes.txt'].toSorted())
    await store.write(fingerprint, Buffer.from('x'))
    expect((await store.read(fingerprint))?.toString()).toBe('x')
    await store.remove(fingerprint)
    expect(await store.read(fingerprint)).toBeNull()
  })

  test('can be shared by processes that write at once: a reader sees one answer or another, whole', async () => {
    const store = await StapleStore.open(folder)
    const fingerprint = fingerprintOf(web.certificate.raw)
    const contents = [Buffer.alloc(2000, 1), Buffer.alloc(3000, 2)]
    await store.write(fingerprint, contents[0]!)
    const writes = Array.from({ length: 40 }, (_, index) =>
      store.write(fingerprint, contents[index % 2]!),
    )
    const reads = Array.from({ length: 40 }, () => store.read(fingerprint))
    await Promise.all(writes)
    for (const read of await Promise.all(reads)) {
      expect(contents.some((content) => content.equals(read!))).toBe(true)
    }
    expect(readdirSync(folder)).toHaveLength(1)
  })
})
