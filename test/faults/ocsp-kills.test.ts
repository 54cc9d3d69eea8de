import { fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { WebCa, type WebCertificate } from '@fastify-spiffe-test/kit/web-ca'
import { OcspStapler, type OcspTransport } from '@fastify-spiffe/ocsp'
import { afterAll, beforeAll, expect, test } from '@jest/globals'

const PROGRAM = fileURLToPath(new URL('support/ocsp-stapler.js', import.meta.url))
/** A process takes a while to start: `OCSP_KILLS=1000` takes a few minutes. */
const KILLS = Number(process.env['OCSP_KILLS'] ?? 200)
const LANES = 4
const HOUR = 3_600_000

let web: WebCertificate
let folder: string

beforeAll(async () => {
  web = await (await WebCa.make()).mint({ mustStaple: true })
  folder = mkdtempSync(join(tmpdir(), 'ocsp-kills-'))
  const now = Date.now()
  writeFileSync(join(folder, 'web.pem'), web.cert)
  writeFileSync(join(folder, 'one.der'), web.answer({ nextUpdate: now + HOUR }))
  writeFileSync(join(folder, 'two.der'), web.answer({ nextUpdate: now + 2 * HOUR }))
})

afterAll(() => rmSync(folder, { recursive: true }))

/** Runs the program, and kills it a moment after it has begun. */
async function runAndKill(directory: string): Promise<void> {
  const child = fork(PROGRAM, [folder, directory])
  const ended = once(child, 'exit')
  await once(child, 'message')
  await setTimeout(Math.random() * 12)
  child.kill('SIGKILL')
  await ended
}

/** Whether a process that starts on what is stored has a staple, with whatever transport. */
async function staplesAfterStart(
  directory: string,
  transport: OcspTransport = () => Promise.reject(new Error('down')),
): Promise<boolean> {
  await using stapler = await OcspStapler.open({
    certificate: web.cert,
    responderUrl: 'http://127.0.0.1:1/',
    directory,
    transport,
    allowStartWithoutStaple: true,
  })
  return stapler.staples[0]!.stapled
}

test('a process that is killed at any moment of a refresh has a staple after the restart, without its responder', async () => {
  const answers = ['one.der', 'two.der'].map((name) => readFileSync(join(folder, name)))
  let broken = 0
  let cutOff = 0
  const lane = async (number: number): Promise<void> => {
    const directory = join(folder, `lane-${number}`)
    // A first answer, written whole.
    await staplesAfterStart(directory, async () => answers[0]!)
    for (let kill = number; kill < KILLS; kill += LANES) {
      await runAndKill(directory)
      const files = readdirSync(directory)
      const [stored, ...others] = files.filter((name) => name.endsWith('.ocsp'))
      const content = stored === undefined ? undefined : readFileSync(join(directory, stored))
      const isWhole = content !== undefined && answers.some((answer) => answer.equals(content))
      if (!isWhole || others.length > 0 || !(await staplesAfterStart(directory))) broken += 1
      for (const left of files.filter((name) => !name.endsWith('.ocsp'))) {
        cutOff += 1
        rmSync(join(directory, left))
      }
    }
  }
  await Promise.all(Array.from({ length: LANES }, (_, number) => lane(number)))
  process.stderr.write(`${KILLS} kills, ${cutOff} of them within a write, ${broken} broken\n`)
  expect(broken).toBe(0)
  // Otherwise the kills would have come at one moment alone.
  expect(cutOff).toBeGreaterThan(0)
}, 900_000)
