import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test } from '@jest/globals'
import type { Daemon } from '../spire/fixture/daemon.ts'
import { until } from '../spire/fixture/index.ts'
import { freePort } from '../spire/fixture/port.ts'
import { startCerbos } from './cerbos/program.ts'
import { Counters } from './support/counters.ts'
import { prepare } from './support/left-out.ts'
import { CERBOS, REAL_ENGINES, type RealEngine } from './support/real-engines.ts'
import { Scene, type Outcome } from './support/scene.ts'

/** Far more than an answer takes here, so that only what is to be late is. */
const TIMEOUT_MS = 1000
const SLOW_MS = 300
const SETTINGS = { timeoutMs: TIMEOUT_MS, slowMs: SLOW_MS, breaker: { openMs: 300 } }

const counters = new Counters()
afterAll(() => void process.stderr.write(`\n${counters.toString()}\n\n`))

for (const real of REAL_ENGINES) {
  const preparation = await prepare(real.program)
  if (preparation.state === 'ready')
    describe(real.name, () => testEngine(real, preparation.program))
  else describe(real.name, () => test.skip(`left out: ${preparation.reason}`, () => undefined))
}

const cerbos = await prepare(CERBOS.program)

function testEngine(real: RealEngine, program: string): void {
  let port: number
  let daemon: Daemon
  let scene: Scene

  const start = async (): Promise<void> => {
    daemon = await real.start(program, port)
    await untilItDecides(real, port, daemon)
  }
  /** Asks until the breaker opens, and says what came of it. Not one of these requests may get in. */
  const askUntilOpen = async (): Promise<ReadonlySet<string | undefined>> => {
    const outcomes: Outcome[] = []
    while (scene.stats.breaker !== 'open' && outcomes.length < 20) outcomes.push(await scene.ask())
    expect(scene.stats.breaker).toBe('open')
    expect(await scene.ask()).toEqual([403, 'engine-unavailable'])
    expect(new Set(outcomes.map(([status]) => status))).toEqual(new Set([403]))
    return new Set(outcomes.map(([, reason]) => reason))
  }
  const recovers = async (): Promise<void> => {
    await until('it lets in again', async () => (await scene.ask())[0] === 200)
    expect(await scene.ask()).toEqual([200, 'allowed'])
    expect(await scene.ask({ id: 'forbidden' })).toEqual([403, 'engine-denied'])
    expect(scene.stats).toMatchObject({ breaker: 'closed', inFlight: 0 })
  }

  beforeAll(async () => {
    port = await freePort()
    await start()
  })
  afterAll(async () => {
    daemon?.resume()
    await daemon?.stop('SIGKILL')
  })
  beforeEach(async () => {
    scene = await Scene.open(port, (at) => real.engineAt(at, SETTINGS))
  })
  afterEach(async () => {
    daemon.resume()
    const { currentTestName = '' } = expect.getState()
    counters.note(real.name, currentTestName.replace(`${real.name} `, ''), scene.stats)
    await scene[Symbol.asyncDispose]()
  })

  test.each(real.cases)('%s', async (_, request, reason) => {
    expect(await scene.ask(request)).toEqual([reason === 'allowed' ? 200 : 403, reason])
  })

  test('killed: refuses, and recovers once it is there again', async () => {
    expect(await scene.ask()).toEqual([200, 'allowed'])
    await daemon.stop('SIGKILL')
    expect(await askUntilOpen()).toEqual(new Set(['engine-failed']))
    await start()
    await recovers()
  })

  test('hung: refuses at the deadline, and recovers once it runs on', async () => {
    expect(await scene.ask()).toEqual([200, 'allowed'])
    daemon.suspend()
    // A request that is under way as it stops may still be answered.
    await until('it hangs', async () => (await scene.ask())[0] === 403)
    expect(await askUntilOpen()).toEqual(new Set(['engine-timeout']))
    daemon.resume()
    await recovers()
  })

  test('slow: its answers count, and so does its slowness', async () => {
    expect(await scene.ask()).toEqual([200, 'allowed'])
    scene.relay.down.delay(SLOW_MS + 50)
    const reasons: (string | undefined)[] = []
    while (scene.stats.breaker !== 'open' && reasons.length < 20) {
      reasons.push((await scene.ask({ id: 'forbidden' }))[1])
    }
    expect(new Set(reasons)).toEqual(new Set(['engine-denied']))
    expect(scene.stats).toMatchObject({ breaker: 'open', slow: reasons.length, failed: 0 })
    scene.relay.down.clear()
    await recovers()
  })

  test('silent: a connection that is dead without a sign is given up', async () => {
    expect(await scene.ask()).toEqual([200, 'allowed'])
    scene.relay.down.pause()
    expect(await askUntilOpen()).toEqual(new Set(['engine-timeout']))
    // What was asked meanwhile stays unanswered: only a new connection works.
    await scene.relay.refuse()
    scene.relay.cut()
    await scene.relay.emptied()
    scene.relay.down.clear()
    await scene.relay.accept()
    await recovers()
  })

  test('wrong: bytes of somebody else refuse', async () => {
    scene.relay.up.pause()
    const asked = scene.ask()
    await scene.relay.nextConnection()
    await until('somebody else answers', () => scene.relay.connections > 0)
    scene.relay.down.inject(Buffer.from(real.garbage))
    expect(await asked).toEqual([403, 'engine-failed'])
    scene.relay.cut()
    await scene.relay.emptied()
    scene.relay.up.clear()
    await recovers()
  })

  test('cut: an answer that ends in the middle refuses', async () => {
    scene.relay.down.cutAfter(20)
    expect(await scene.ask()).toEqual([403, 'engine-failed'])
    scene.relay.down.clear()
    await recovers()
  })

  test('restarted under load: no caller gets in that the policy does not allow', async () => {
    const admitted: number[] = []
    const over = new AbortController()
    const load = Array.from({ length: 4 }, async () => {
      while (!over.signal.aborted) {
        const [status] = await scene.ask({ id: 'forbidden' })
        if (status !== 403) admitted.push(status)
        await new Promise(setImmediate)
      }
    })
    for (let round = 0; round < 2; round++) {
      await daemon.stop(round === 0 ? 'SIGTERM' : 'SIGKILL')
      await until('its absence is seen', () => scene.stats.unavailable > 0)
      await start()
      await until('it refuses by itself', async () => (await scene.ask())[0] === 200)
    }
    over.abort()
    await Promise.all(load)
    expect(admitted).toEqual([])
    await recovers()
  })
}

describe('Cerbos without `engine.strictEvaluation`', () => {
  const title = 'lets in where a rule that forbids fails'
  if (cerbos.state === 'ready') test(title, () => testLaxCerbos(cerbos.program))
  else test.skip(`left out: ${cerbos.reason}`, () => undefined)
})

async function testLaxCerbos(program: string): Promise<void> {
  const port = await freePort()
  const lax = await startCerbos(program, { port, isStrict: false })
  try {
    await untilItDecides(CERBOS, port, lax)
    await using scene = await Scene.open(port, (at) => CERBOS.engineAt(at, SETTINGS))
    expect(await scene.ask({ id: 'forbidden' })).toEqual([403, 'engine-denied'])
    expect(await scene.ask({ id: 'erring' })).toEqual([200, 'allowed'])
  } finally {
    await lax.stop('SIGKILL')
  }
}

async function untilItDecides(real: RealEngine, port: number, daemon: Daemon): Promise<void> {
  await using scene = await Scene.open(port, (at) => real.engineAt(at, SETTINGS))
  const decides = async (): Promise<boolean> => (await scene.ask())[0] === 200
  await until(`${real.name} decides`, decides, { daemon })
}
