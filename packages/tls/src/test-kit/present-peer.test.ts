import { Socket } from 'node:net'
import { SpiffeId } from '@fastify-spiffe/spiffe'
import { afterEach, expect, test } from '@jest/globals'
import { isCurrent, peerOf, type ConnectionPeer } from '../index.ts'
import { presentPeer } from './index.ts'

const ID = 'spiffe://example.org/acme/web'
const environment = process.env['NODE_ENV']

afterEach(() => {
  if (environment === undefined) delete process.env['NODE_ENV']
  else process.env['NODE_ENV'] = environment
})

test('a presented peer is bound to the socket, and says that it was presented', () => {
  const socket = {}
  const peer = presentPeer(socket, { spiffeId: ID, notAfter: 1000 })!
  expect(peerOf(socket)).toBe(peer)
  expect(peer).toMatchObject({ proof: 'test-kit', notAfter: 1000, serialNumber: '1' })
  expect(peer.spiffeId.equals(SpiffeId.parse(ID))).toBe(true)
  expect(peer.trustDomain.name).toBe('example.org')
  expect(peer.fingerprint256).toMatch(/^([0-9A-F]{2}:){31}[0-9A-F]{2}$/)
  expect(isCurrent(peer, 999)).toBe(true)
  expect(isCurrent(peer, 1000)).toBe(false)
})

test('peers with different SPIFFE IDs have different fingerprints', () => {
  const one = presentPeer({}, { spiffeId: ID })!
  const other = presentPeer({}, { spiffeId: `${ID}/2` })!
  expect(one.fingerprint256).not.toBe(other.fingerprint256)
})

test('nobody can be presented too', () => {
  const socket = {}
  expect(presentPeer(socket, null)).toBeNull()
  expect(peerOf(socket)).toBeNull()
})

test('a peer is presented once', () => {
  const socket = {}
  presentPeer(socket, { spiffeId: ID })
  expect(() => presentPeer(socket, { spiffeId: ID })).toThrow(
    expect.objectContaining({ code: 'peer-already-bound' }),
  )
})

test('no peer is presented in production, or on a real connection', () => {
  const refused = expect.objectContaining({ code: 'test-kit-refused' })
  expect(() => presentPeer(new Socket(), { spiffeId: ID })).toThrow(refused)
  process.env['NODE_ENV'] = 'production'
  const socket = {}
  expect(() => presentPeer(socket, { spiffeId: ID })).toThrow(refused)
  expect(peerOf(socket)).toBeUndefined()
})

test('an object that only looks like a peer is never current', () => {
  const spiffeId = SpiffeId.parse(ID)
  const forged: ConnectionPeer = {
    spiffeId,
    trustDomain: spiffeId.trustDomain,
    notAfter: Number.POSITIVE_INFINITY,
    fingerprint256: '',
    serialNumber: '',
    proof: 'x509-svid',
    subjectAltNames: null,
  }
  expect(isCurrent(forged, 0)).toBe(false)
  const peer = presentPeer({}, { spiffeId: ID })!
  expect(isCurrent({ ...peer }, 0)).toBe(false)
})
