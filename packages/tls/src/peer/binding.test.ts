import { describe, expect, test } from '@jest/globals'
import { bindPeer, peerOf } from './binding.ts'

describe('the peer of a connection', () => {
  test('is bound once: a second one is refused, and the first stays', () => {
    const connection = {}
    bindPeer(connection, null)
    expect(() => bindPeer(connection, null)).toThrow(
      expect.objectContaining({ name: 'TlsError', code: 'peer-already-bound' }),
    )
    expect(peerOf(connection)).toBeNull()
  })
})
