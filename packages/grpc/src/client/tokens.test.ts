import { type sendUnaryData, type ServerUnaryCall, status } from '@grpc/grpc-js'
import { ScriptedSource } from '@fastify-spiffe-test/kit/scripted-source'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { createGrpcClient, type SvidChannelOptions } from '../index.ts'
import { SERVER_ID, Stage, WEB_ID, Words, words } from '../stage.test.helper.ts'

let stage: Stage
beforeEach(async () => {
  stage = await Stage.set()
})
afterEach(() => stage.clear())

const answer = (call: ServerUnaryCall<string, string>, callback: sendUnaryData<string>): void =>
  callback(null, call.metadata.get('authorization').join(' and '))
const unused = (): void => undefined

/** A server that answers with the token of the call. */
async function echo(): Promise<number> {
  const server = await stage.open()
  const implementation = { Say: answer, Repeat: unused, Join: unused, Echo: unused }
  server.addService(words, implementation, { rule: { anyAuthenticated: true } })
  return (await server.listen({ port: 0 })).port
}

async function clientOf(
  port: number,
  jwt: SvidChannelOptions['jwt'],
  server = SERVER_ID,
): Promise<Words> {
  const svid = (await stage.authority.mint(WEB_ID)).toX509Svid()
  const source = new ScriptedSource(svid, stage.bundles)
  const options = { target: `localhost:${port}`, source, server, ...(jwt && { jwt }) }
  return stage.keep(createGrpcClient(Words, options), (it) => it.close())
}

test('calls present the token that was asked for each of them, to a server that has proven itself', async () => {
  const port = await echo()
  const audiences: string[] = []
  const tokens = async (audience: string): Promise<string> => `token.${audiences.push(audience)}`
  const jwt = { audience: 'words', tokens }
  const client = await clientOf(port, jwt)
  expect([await client.say(), await client.say()]).toEqual(['Bearer token.1', 'Bearer token.2'])
  const refused = await clientOf(port, jwt, 'spiffe://example.org/other')
  expect(await refused.say()).toBe(status.UNAVAILABLE)
  expect(audiences).toEqual(['words', 'words'])
  const source = {
    fetchJwtSvid: async ({ audience }: { audience: string }) => ({ token: audience }),
  }
  const held = await clientOf(port, { audience: 'held', tokens: source })
  expect(await held.say()).toBe('Bearer held')
})

test('a call without its token is not sent', async () => {
  const port = await echo()
  for (const tokens of [() => '', () => 'a\r\nb', () => Promise.reject(new Error('no'))]) {
    const client = await clientOf(port, { audience: 'words', tokens })
    expect(await client.say()).toBe(status.UNAUTHENTICATED)
  }
})

test.each<[string, unknown]>([
  ['no object', 'words'],
  ['no audience', { tokens: () => 'x' }],
  ['no tokens', { audience: 'words' }],
  ['another option', { audience: 'words', tokens: () => 'x', scheme: 'basic' }],
])('jwt with %s is refused', async (_, jwt) => {
  await expect(clientOf(1, jwt as never)).rejects.toMatchObject({
    code: expect.stringMatching(/^(invalid|unknown)-option$/),
  })
})
