import { status } from '@grpc/grpc-js'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { Stage, WEB_ID, type Words } from './stage.test.helper.ts'

let stage: Stage
beforeEach(async () => {
  stage = await Stage.set()
})
afterEach(() => stage.clear())

const SAID = `hello from ${WEB_ID}`
const DENIED = status.PERMISSION_DENIED
const RULE = { allow: [WEB_ID], subjectAltName: { dns: ['web.example.org'] } }

/** A client whose certificate has such names. */
async function clientWith(
  port: number,
  names: { dnsNames?: string[]; ipAddresses?: string[] },
): Promise<Words> {
  return stage.clientWith(port, await stage.authority.mint(WEB_ID, names))
}

test('a method that demands a name of the certificate refuses before a message is read', async () => {
  const methods = { Say: RULE, Repeat: { allow: [WEB_ID], subjectAltName: { ip: ['192.0.2.1'] } } }
  const rules = { rule: { allow: [WEB_ID] }, methods }
  const { port, heard, server } = await stage.serve(rules)
  const bare = await clientWith(port, {})
  expect([await bare.say(), await bare.repeat(), await bare.join('a')]).toEqual([
    DENIED,
    DENIED,
    'a',
  ])
  expect(heard.handlers).toEqual(['Join'])
  const named = await clientWith(port, { dnsNames: ['*.Example.org'] })
  expect([await named.say(), await named.repeat()]).toEqual([SAID, DENIED])
  const addressed = await clientWith(port, { ipAddresses: ['192.0.2.1'] })
  expect([await addressed.say(), await addressed.repeat()]).toEqual([DENIED, 'hello'])
  const rows = server.policy.table().routes.filter(({ subjectAltName }) => subjectAltName)
  expect(rows.map(({ route }) => route)).toEqual(['/test.v1.Words/Repeat', '/test.v1.Words/Say'])
})

test('a document demands names of the callers of methods', async () => {
  const policy = { prefixes: { '/': RULE } }
  const { port } = await stage.serve({}, { policy })
  expect(await (await clientWith(port, { dnsNames: ['web.example.org'] })).say()).toBe(SAID)
  expect(await (await clientWith(port, {})).say()).toBe(DENIED)
})
