import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Stage, WEB_ID } from './stage.test.helper.ts'

let stage: Stage
beforeEach(async () => {
  stage = await Stage.set()
})
afterEach(() => stage.clear())

const SAID = `hello from ${WEB_ID}`
const DENIED = status.PERMISSION_DENIED

test('a method that demands a certificate as the proof takes a caller with one', async () => {
  const methods = {
    Say: { allow: [WEB_ID], proof: 'x509-svid' },
    Repeat: { allow: [WEB_ID], proof: ['jwt-svid', 'x509-svid'] },
  } as const
  const { port, server } = await stage.serve({ rule: { anyAuthenticated: true }, methods })
  const client = await stage.client(port)
  expect([await client.say(), await client.repeat()]).toEqual([SAID, 'hello'])
  const rows = server.policy.table().routes.filter(({ proof }) => proof)
  expect(rows.map(({ route }) => route)).toEqual(['/test.v1.Words/Repeat', '/test.v1.Words/Say'])
})

test('a method that demands a token refuses a caller with a certificate, before a message is read', async () => {
  const methods = { Join: { anyAuthenticated: true, proof: 'jwt-svid' } } as const
  const { port, heard } = await stage.serve({
    rule: { allow: [WEB_ID], proof: 'jwt-svid' },
    methods,
  })
  const client = await stage.client(port)
  // What is beside the certificate changes nothing: a gRPC server reads no tokens.
  const token = { authorization: 'Bearer e30.e30.AA' }
  expect([await client.say(), await client.say('hello', token)]).toEqual([DENIED, DENIED])
  expect([await client.repeat(), await client.join('a')]).toEqual([DENIED, DENIED])
  expect([heard.handlers, heard.messages]).toEqual([[], 0])
})

test('a document demands the proof of the callers of methods', async () => {
  const prefixes = { '/': { allow: [WEB_ID], proof: 'jwt-svid' } } as const
  const { port, server } = await stage.serve({}, { policy: { prefixes } })
  const client = await stage.client(port)
  expect(await client.say()).toBe(DENIED)
  await server.policy.reload({ prefixes: { '/': { allow: [WEB_ID], proof: 'x509-svid' } } })
  expect(await client.say()).toBe(SAID)
})

test.each(['x509', '', [], null, 5])(
  'a proof that there is not is refused when the service is added: %j',
  async (proof) => {
    const rules = { rule: { allow: [WEB_ID], proof } } as never
    await expect(stage.serve(rules)).rejects.toMatchObject({ code: 'invalid-rule' })
  },
)
