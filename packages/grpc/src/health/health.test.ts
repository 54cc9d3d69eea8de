import { afterEach, beforeEach, describe, expect, test } from '@jest/globals'
import { status } from '@grpc/grpc-js'
import { API_ID, Stage, WEB_ID, type Words } from '../stage.test.helper.ts'
import { healthDefinition } from './health.ts'
import { decodeRequest, decodeResponse, encodeRequest, encodeResponse } from './messages.ts'

const [SERVING, NOT_SERVING, SERVICE_UNKNOWN] = [1, 2, 3]

let stage: Stage
beforeEach(async () => {
  stage = await Stage.set()
})
afterEach(() => stage.clear())

async function check(client: Words, service = ''): Promise<number | { status: number }> {
  return await client.unary(healthDefinition.Check, { service })
}

describe('the health service', () => {
  test('answers any verified peer, about the server and each service', async () => {
    const { server, port } = await stage.serve({ rule: { allow: [API_ID] } })
    const client = await stage.client(port)
    expect(await check(client)).toEqual({ status: SERVING })
    expect(await check(client, 'test.v1.Words')).toEqual({ status: SERVING })
    expect(await check(client, 'test.v1.Other')).toBe(status.NOT_FOUND)
    server.health?.set('test.v1.Words', false)
    expect(await check(client, 'test.v1.Words')).toEqual({ status: NOT_SERVING })
  })

  test('has rules like any other, in the option or in the document', async () => {
    const rules = { rule: { allow: [WEB_ID] } }
    const strict = await stage.serve(rules, { health: { allow: [API_ID] } })
    const client = await stage.client(strict.port)
    expect(await check(client)).toBe(status.PERMISSION_DENIED)
    const policy = { routes: { 'POST /grpc.health.v1.Health/Check': { allow: [API_ID] } } }
    const ruled = await stage.serve(rules, { policy })
    expect(await check(await stage.client(ruled.port))).toBe(status.PERMISSION_DENIED)
  })

  test('is not there with health: false', async () => {
    const { server, port } = await stage.serve({ rule: { allow: [WEB_ID] } }, { health: false })
    expect(server.health).toBeNull()
    expect(await check(await stage.client(port))).toBe(status.UNIMPLEMENTED)
  })

  test('tells who watches of changes, and that the server closes', async () => {
    const { server, port } = await stage.serve()
    const client = await stage.client(port)
    const { path, requestSerialize, responseDeserialize } = healthDefinition.Watch
    const request = { service: 'test.v1.Words' }
    const watch = client.makeServerStreamRequest(
      path,
      requestSerialize,
      responseDeserialize,
      request,
    )
    const states: number[] = []
    for await (const { status: state } of watch) {
      states.push(state)
      if (states.length === 1) server.health?.set('test.v1.Words', false)
      if (states.length === 2) server.health?.set('test.v1.Words', true)
      if (states.length === 3) void server.close()
    }
    expect(states).toEqual([SERVING, NOT_SERVING, SERVING, NOT_SERVING])
  })

  test('tells who watches an unknown service that it is unknown', async () => {
    const { port } = await stage.serve()
    const client = await stage.client(port)
    const { path, requestSerialize, responseDeserialize } = healthDefinition.Watch
    const watch = client.makeServerStreamRequest(path, requestSerialize, responseDeserialize, {
      service: 'x',
    })
    watch.on('error', () => undefined)
    for await (const { status: state } of watch) {
      expect(state).toBe(SERVICE_UNKNOWN)
      break
    }
  })
})

describe('its messages', () => {
  test.each(['', 'test.v1.Words', 'ä'.repeat(200)])('carry the name %j', (service) => {
    expect(decodeRequest(encodeRequest({ service }))).toEqual({ service })
  })

  test.each([0, 1, 2, 3] as const)('carry the status %d', (state) => {
    expect(decodeResponse(encodeResponse({ status: state }))).toEqual({ status: state })
  })

  test('may have fields that are not known, and several of a kind', () => {
    const unknown = '10051900000000000000aa2202ffff2d00000000'
    const bytes = Buffer.from(`${unknown}0a0161${unknown}0a0162`, 'hex')
    expect(decodeRequest(bytes)).toEqual({ service: 'b' })
    expect(decodeResponse(Buffer.from('0863', 'hex'))).toEqual({ status: 0 })
  })

  test.each(['0a', '0a05616263', '0affffffffffffffffffff01', '0b', '0f', '1901', '08ff'])(
    'are refused where they are none: %s',
    (hex) => {
      expect(() => decodeRequest(Buffer.from(hex, 'hex'))).toThrow(RangeError)
    },
  )
})
