import { promise, tests, type Promised } from './promised.ts'

const verification = 'packages/spiffe/src/jwt-svid/verify-jwt-svid.test.ts'
const attacks = 'packages/spiffe/src/jwt-svid/attacks.test.ts'
const verifier = 'packages/spiffe/src/jwt-svid/verifier.test.ts'
const bundle = 'packages/spiffe/src/bundle/bundle.test.ts'

export const tokens: readonly Promised[] = [
  promise(
    'A JWT-SVID is accepted only by a JWT authority of the trust domain that it names, of a type and a curve that fit its algorithm.',
    tests(
      verification,
      'rule 89: if the key is of another trust domain, another type or another curve',
      'rule 89: if the bundle has the key for another use, or for another algorithm',
    ),
    tests(attacks, 'the algorithm is not the choice of the token:', 'the token brings no key:'),
  ),
  promise(
    'There is one way to write a JWT-SVID: whatever two readers could understand differently is refused.',
    tests(attacks, 'rule 82: there is one way to write a token:'),
  ),
  promise(
    'A JWT-SVID that was accepted is refused as soon as it expires or its authority leaves the bundle, whatever is remembered of it.',
    tests(
      verifier,
      'forgets a token when it expires, to the millisecond',
      'refuses a token at once when its key has left the bundle',
    ),
  ),
  promise(
    'The tokens of one trust domain never evict what is remembered of those of another.',
    tests(verifier, 'keeps the tokens of one trust domain whatever those of another do'),
  ),
  promise(
    'A bundle with a lower sequence never replaces one with a higher, also beyond 2^53; an empty one withdraws all authorities.',
    tests(
      bundle,
      'rule 43: the sequence %s is exact',
      'rule 46: replaces what is held unless its sequence is lower',
      'rule 53: that is empty replaces one that is not',
    ),
  ),
]
