import { describe, expect, test } from '@jest/globals'

import { WorkloadApiError } from '../errors.ts'
import { findEndpointAddress, parseEndpointAddress } from './address.ts'

function refusal(act: () => unknown): string {
  try {
    act()
  } catch (error) {
    if (error instanceof WorkloadApiError) return error.code
    throw error
  }
  throw new Error('it was accepted')
}

describe('an endpoint address', () => {
  test.each([
    ['unix:///run/spire/agent.sock', 'unix', 'unix:///run/spire/agent.sock'],
    ['unix:/run/spire/agent.sock', 'unix', 'unix:///run/spire/agent.sock'],
    ['UNIX:///run/agent.sock', 'unix', 'unix:///run/agent.sock'],
    ['unix:///with%20space/a.sock', 'unix', 'unix:///with space/a.sock'],
    ['unix-abstract:spire/agent', 'unix-abstract', 'unix:\0spire/agent'],
    ['tcp://127.0.0.1:8081', 'tcp', 'ipv4:127.0.0.1:8081'],
    ['tcp://[::1]:65535', 'tcp', 'ipv6:[::1]:65535'],
  ])('%s is dialled as a %s socket', (uri, transport, target) => {
    expect(parseEndpointAddress(uri)).toEqual({ uri, transport, target })
  })

  test.each([
    '',
    '/run/agent.sock',
    'unix:',
    'unix:/',
    'unix:agent.sock',
    'unix:@abstract',
    'unix://agent.sock',
    'unix://host/agent.sock',
    'unix://user@/agent.sock',
    'unix:///agent.sock?a=b',
    'unix:///agent.sock#a',
    'unix:///agent%00.sock',
    'unix:///agent%zz.sock',
    'unix:///agent\n.sock',
    `unix:///${'a'.repeat(107)}`,
    'unix-abstract:',
    'unix-abstract://host/name',
    'tcp://127.0.0.1',
    'tcp://127.0.0.1:',
    'tcp://127.0.0.1:0',
    'tcp://127.0.0.1:08081',
    'tcp://127.0.0.1:65536',
    'tcp://127.0.0.1:8081/',
    'tcp://127.0.0.1:8081/path',
    'tcp://127.0.0.1:8081?a=b',
    'tcp://127.0.0.1:8081#a',
    'tcp://user@127.0.0.1:8081',
    'tcp://localhost:8081',
    'tcp://1.2.3:8081',
    'tcp://::1:8081',
    'tcp://[127.0.0.1]:8081',
    'tcp://[fe80::1%eth0]:8081',
    'tcp:127.0.0.1:8081',
    'http://127.0.0.1:8081',
    'npipe:spire-agent',
  ])('%j is refused', (uri) => {
    expect(refusal(() => parseEndpointAddress(uri))).toBe('invalid-endpoint')
  })

  test('an explicit one goes before the environment', () => {
    const environment = { SPIFFE_ENDPOINT_SOCKET: 'unix:///environment.sock' }
    expect(findEndpointAddress('unix:///explicit.sock', environment).uri).toBe(
      'unix:///explicit.sock',
    )
    expect(findEndpointAddress(undefined, environment).uri).toBe('unix:///environment.sock')
  })

  test('a bad explicit one is an error, and not a reason to look elsewhere', () => {
    const environment = { SPIFFE_ENDPOINT_SOCKET: 'unix:///environment.sock' }
    expect(refusal(() => findEndpointAddress('', environment))).toBe('invalid-endpoint')
  })

  test.each([{}, { SPIFFE_ENDPOINT_SOCKET: '' }])('none in %j is an error', (environment) => {
    expect(refusal(() => findEndpointAddress(undefined, environment))).toBe('no-endpoint')
  })

  test.each([null, 8081, ['unix:///agent.sock']])('%j is refused', (address) => {
    // @ts-expect-error -- JavaScript gives what it likes
    expect(refusal(() => parseEndpointAddress(address))).toBe('invalid-endpoint')
  })

  test('an error quotes what looks like an address, and no more than a little of it', () => {
    expect(() => parseEndpointAddress('tcp://agent:1')).toThrow(/"tcp:\/\/agent:1"/)
    expect(() => parseEndpointAddress('http://agent')).not.toThrow(/agent/)
    const long = `unix:${'a'.repeat(10_000)}`
    expect(() => parseEndpointAddress(long)).not.toThrow(/a{1000}/)
  })

  test('an error does not repeat a password', () => {
    expect(() => parseEndpointAddress('tcp://me:secret@127.0.0.1:1')).not.toThrow(/secret/)
  })
})
