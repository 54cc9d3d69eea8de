import { Signer, type Members } from '../driver/signer.ts'
import type { ConformanceCase } from '../suite/case.ts'
import { FOREIGN_TOKEN_DOMAIN, TokenScene } from './jwt-case.ts'

const FOREIGN_ID = `spiffe://${FOREIGN_TOKEN_DOMAIN}/workload`

const setOf = (...keys: readonly Members[]): string => JSON.stringify({ keys })

/** Starts with one authority of the own trust domain. */
async function startWith(
  stage: Parameters<ConformanceCase['run']>[0],
  own: Signer,
): Promise<TokenScene> {
  const scene = await TokenScene.start(stage, { 'example.org': [own] })
  await scene.accepts(own.token())
  return scene
}

/** A second key stands in the bundle in a form in which it must not count. */
const ignored = (
  name: string,
  title: string,
  rule: string,
  spoil: (jwk: Members) => Members,
): ConformanceCase => ({
  name,
  level: 'core',
  title,
  rule,
  run: async (stage) => {
    const [own, second] = [new Signer('own'), new Signer('second')]
    const scene = await startWith(stage, own)
    await scene.update({ 'example.org': setOf(own.jwk(), spoil(second.jwk())) })
    await scene.rejects(second.token())
    await scene.rejects(second.token({ header: { kid: undefined } }))
    await scene.accepts(own.token())
  },
})

export const jwtBundles: readonly ConformanceCase[] = [
  {
    name: 'JB-1',
    level: 'core',
    title: 'a key that is added is used',
    rule: 'Workload API §6.2.3 (66)',
    run: async (stage) => {
      const [own, added] = [new Signer('own'), new Signer('added', 'ES384')]
      const scene = await startWith(stage, own)
      await scene.rejects(added.token())
      await scene.update({ 'example.org': [own, added] })
      await scene.accepts(added.token())
      await scene.accepts(own.token())
    },
  },
  {
    name: 'JB-2',
    level: 'core',
    title: 'a key that is removed is used no more, not even for a token that was accepted before',
    rule: 'Workload API §6.2.3 (66, 67)',
    run: async (stage) => {
      const own = new Signer('own')
      const scene = await startWith(stage, own)
      const token = own.token()
      await scene.accepts(token)
      await scene.update({ 'example.org': [] })
      await scene.rejects(token)
    },
  },
  {
    name: 'JB-3',
    level: 'recommended',
    title: 'a message without bundles is discarded',
    rule: 'Workload API §4.4 (68)',
    run: async (stage) => {
      const [own, last] = [new Signer('own'), new Signer('last')]
      const scene = await startWith(stage, own)
      scene.agent.publish({})
      await scene.accepts(own.token())
      await scene.update({ 'example.org': [own, last] })
      await scene.accepts(last.token())
    },
  },
  {
    name: 'JB-4',
    level: 'core',
    title: 'a federated bundle that is left out is trusted no more',
    rule: 'Workload API §6.2.3 (67)',
    run: async (stage) => {
      const [own, foreign] = [new Signer('own'), new Signer('foreign')]
      const state = { 'example.org': [own], [FOREIGN_TOKEN_DOMAIN]: [foreign] }
      const scene = await TokenScene.start(stage, state)
      const token = foreign.token({ claims: { sub: FOREIGN_ID } })
      await scene.accepts(token, FOREIGN_ID)
      await scene.update({ 'example.org': [own] })
      await scene.rejects(token)
    },
  },
  ignored(
    'JB-5',
    'a key of another use is ignored, and does not spoil the others',
    'Trust Domain and Bundle §4.2.2 (40, 89)',
    (jwk) => ({ ...jwk, use: 'x509-svid' }),
  ),
  ignored(
    'JB-6',
    'a key of an unknown type is ignored, and does not spoil the others',
    'Trust Domain and Bundle §4.2.2 (40)',
    (jwk) => ({ ...jwk, kty: 'XYZ' }),
  ),
  ignored(
    'JB-7',
    'a key without kid is ignored, and does not spoil the others',
    'JWT-SVID §6.1 (42)',
    ({ kid: _kid, ...jwk }) => jwk,
  ),
  {
    name: 'JB-8',
    level: 'core',
    title: 'a federated bundle that cannot be read, or is empty, does not disturb the own one',
    rule: 'Workload API §6.2.3 (35)',
    run: async (stage) => {
      const own = new Signer('own')
      const scene = await startWith(stage, own)
      for (const spoilt of ['{"keys":[', '{}', '{"keys":[]}', '{"keys":[],"keys":[]}']) {
        await scene.update({ 'example.org': [own], [FOREIGN_TOKEN_DOMAIN]: spoilt })
        await scene.accepts(own.token())
      }
    },
  },
]
