import { Chains } from '@fastify-spiffe/chain'
import { Authority } from '@fastify-spiffe/authority'
import { HARNESS_ID, TRUST_DOMAIN, type Agent } from '../driver/agent.ts'
import type { ControlAnswer } from '../driver/control-port.ts'
import { CountingServer } from '../driver/counting-server.ts'
import type { Harness } from '../driver/harness.ts'
import { http1Client } from '../driver/http-client.ts'
import type { Stage } from '../driver/stage.ts'
import { expectEqual, expectThat, type ConformanceCase } from '../suite/case.ts'
import { PEER_ID } from './peer-case.ts'

const ROOT = 'spiffe://example.org/root'

interface Scene {
  readonly agent: Agent
  readonly harness: Harness
  readonly relay: (incoming: object, url?: string, path?: string) => Promise<ControlAnswer>
}

async function relaying(stage: Stage): Promise<Scene> {
  const agent = await stage.agent()
  const harness = await stage.startParts(agent, 'http', { HARNESS_ACTOR_ROOT: ROOT })
  const relay: Scene['relay'] = (incoming, url, path = '/chain') =>
    harness.control.post('/v2/chain/relay', {
      ...incoming,
      url: url ?? `https://127.0.0.1:${harness.httpPort}${path}`,
      server: { id: HARNESS_ID },
    })
  return { agent, harness, relay }
}

/** The two headers of a call of a workload. */
async function tokenOf(
  authority: Authority,
  id: string,
  audience = HARNESS_ID,
): Promise<Readonly<Record<string, string>>> {
  await using source = await authority.source(id)
  return { ...new Chains({ source, handTo: [audience] }).headersFor(audience, null) }
}

function expectRefused({ code, body }: ControlAnswer, what: string): void {
  const isRefusal = code === 422 && body['status'] === 'rejected'
  expectThat(
    isRefusal && String(body['code']).startsWith('chain-'),
    `${what}: ${code} ${JSON.stringify(body)}`,
  )
}

/** Every tenth place is tried. */
const STEP = 10

/** The same text with one letter changed, at some of its places. */
function* tampered(text: string): Generator<string> {
  for (let at = 0; at < text.length - 1; at += STEP) {
    const other = text[at] === 'A' ? 'B' : 'A'
    yield text.slice(0, at) + other + text.slice(at + 1)
  }
}

export const relay: readonly ConformanceCase[] = [
  {
    name: 'RELAY-1',
    level: 'core',
    title: 'a call goes on for its first caller, and where there is none it is the own one',
    rule: 'harness, /v2/chain/relay',
    run: async (stage) => {
      const { agent, relay: on } = await relaying(stage)
      const token = await tokenOf(agent.authority, ROOT)
      const { code, body } = await on({ token, peer: ROOT })
      expectEqual(`${code} ${String(body['httpStatus'])}`, '200 200', 'the outcome')
      const { spiffeId, chain } = JSON.parse(String(body['body'])) as Record<string, unknown>
      expectEqual(spiffeId, HARNESS_ID, 'the caller')
      expectEqual(JSON.stringify(chain), JSON.stringify([ROOT]), 'the callers before')
      expectEqual((await on({})).body['httpStatus'], 403, 'the status without a token')
      const own = await on({}, undefined, '/whoami')
      expectEqual(own.body['httpStatus'], 200, 'the status of an own call')
      const peer = await tokenOf(agent.authority, PEER_ID)
      const other = await on({ token: peer, peer: PEER_ID })
      expectEqual(other.body['httpStatus'], 403, 'the status for another caller')
    },
  },
  {
    name: 'RELAY-2',
    level: 'core',
    title:
      'a token of another peer, audience or authority is refused, and so is one that was changed',
    rule: 'harness, /v2/chain/relay',
    run: async (stage) => {
      const { agent, relay: on } = await relaying(stage)
      const { authority } = agent
      const token = await tokenOf(authority, ROOT)
      expectEqual((await on({ token, peer: ROOT })).code, 200, 'the control')
      expectRefused(await on({ token, peer: PEER_ID }), 'a stolen token')
      expectRefused(await on({ token }), 'a token without a peer')
      const elsewhere = await tokenOf(authority, ROOT, 'spiffe://example.org/elsewhere')
      expectRefused(await on({ token: elsewhere, peer: ROOT }), 'a token for another audience')
      const evil = await Authority.create({ trustDomain: TRUST_DOMAIN })
      try {
        const forged = await tokenOf(evil, ROOT)
        expectRefused(await on({ token: forged, peer: ROOT }), 'a token of another authority')
        const [one, two] = [Object.entries(token), Object.entries(forged)]
        for (const [name, value] of two) {
          const mixed = { ...Object.fromEntries(one), [name]: value }
          expectRefused(await on({ token: mixed, peer: ROOT }), `another ${name}`)
        }
      } finally {
        await evil.close()
      }
      for (const [name, value] of Object.entries(token)) {
        for (const changed of tampered(value)) {
          const answer = await on({ token: { ...token, [name]: changed }, peer: ROOT })
          expectRefused(answer, `${name} with another letter`)
        }
        const { [name]: _, ...rest } = token
        expectRefused(await on({ token: rest, peer: ROOT }), `without ${name}`)
      }
      const [[name, value] = ['', '']] = Object.entries(token)
      const twice = { ...token, [name]: `${value}, ${value}` }
      expectRefused(await on({ token: twice, peer: ROOT }), `${name} twice`)
    },
  },
  {
    name: 'RELAY-3',
    level: 'core',
    title: 'a token is good from its own caller only, and reaches no server that is not the one',
    rule: 'harness, /chain',
    run: async (stage) => {
      const { agent, harness, relay: on } = await relaying(stage)
      const { authority } = agent
      const token = await tokenOf(authority, ROOT)
      const port = harness.httpPort
      const ask = async (id: string): Promise<number | null> => {
        await using client = http1Client({ port, material: await authority.mint(id) })
        return (await client.get('/chain', token)).status
      }
      expectEqual(await ask(ROOT), 200, 'the status of its caller')
      expectEqual(await ask(PEER_ID), 401, 'the status of a thief')
      expectEqual(await ask(HARNESS_ID), 401, 'the status of its audience')
      const evil = await stage.use(CountingServer.listen(await authority.mint(PEER_ID)))
      const { code } = await on({ token, peer: ROOT }, evil.url)
      expectEqual(code, 422, 'the outcome of another server')
      expectEqual(evil.bytes, 0, 'bytes sent to it')
    },
  },
]
