import { SpiffeId } from '@fastify-spiffe/spiffe'
import { expect, test } from '@jest/globals'
import type { Attributes } from '../attributes/attributes.ts'
import { engineInputOf } from './engine-input.ts'

test('names of the certificate describe the caller, and the chain of a call its context', () => {
  const attributes: Partial<Attributes> = {
    'subjectAltName.dns': 'a.example.org b.example.org',
    'subjectAltName.ip': '',
    'chain.origin': 'spiffe://example.org/acme/web',
  }
  const input = engineInputOf({
    spiffeId: SpiffeId.parse('spiffe://example.org/acme/api'),
    tenant: null,
    method: 'GET',
    route: '/',
    attributes,
  })
  expect(input).toEqual({
    caller: {
      trust_domain: 'example.org',
      subjectAltName: { dns: 'a.example.org b.example.org', ip: '' },
    },
    resource: {},
    context: { chain: { origin: 'spiffe://example.org/acme/web' } },
  })
})
