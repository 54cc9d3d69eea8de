import type { SvidTemplate } from '@fastify-spiffe/authority'
import { HARNESS_ID } from '../driver/agent.ts'
import { entry } from '../driver/scripted-agent.ts'
import type { ConformanceCase } from '../suite/case.ts'
import { lookAlike } from './peer-validation.ts'
import { expectDiscarded, serving, type UpdateScene } from './workload-api.ts'

const HOUR_MS = 3_600_000

/** An own SVID that is not good, as an update: it is not presented, and the one before it serves on. */
interface BadSvid {
  readonly name: string
  readonly title: string
  readonly rule: string
  readonly template: (scene: UpdateScene) => Promise<SvidTemplate> | SvidTemplate
  /** What `spiffe_id` says. Default: the ID of the harness. */
  readonly spiffeId?: string
}

const badSvids: readonly BadSvid[] = [
  {
    name: 'HX-1',
    title: 'whose signature is bad',
    rule: 'X509-SVID §5.1',
    template: () => ({ corruptSignature: true }),
  },
  {
    name: 'HX-2',
    title: 'that does not chain to its bundle',
    rule: 'X509-SVID §5.1; Workload API §5.1',
    template: async ({ home }) => ({ signedBy: await lookAlike(home) }),
  },
  {
    name: 'HX-3',
    title: 'that has expired',
    rule: 'X509-SVID §5.1',
    template: () => ({ notBefore: Date.now() - 2 * HOUR_MS, notAfter: Date.now() - HOUR_MS }),
  },
  {
    name: 'HX-4',
    title: 'whose leaf is a CA',
    rule: 'X509-SVID §4.1, §5.2',
    template: () => ({ ca: true }),
  },
  {
    name: 'HX-5',
    title: 'whose leaf may sign certificates',
    rule: 'X509-SVID §4.3, §5.2',
    template: () => ({ keyUsage: ['digitalSignature', 'keyCertSign'] }),
  },
  {
    name: 'HX-6',
    title: 'with two URI SANs',
    rule: 'X509-SVID §2, §5.2',
    template: () => ({ uris: [HARNESS_ID, `${HARNESS_ID}/other`] }),
  },
  {
    name: 'HX-7',
    title: 'whose URI SAN has another scheme',
    rule: 'X509-SVID §2, §5.2',
    template: () => ({ uris: ['https://example.org/harness'] }),
  },
  {
    name: 'HX-8',
    title: 'whose key is not that of its leaf',
    rule: 'Workload API §5.1',
    template: () => ({ mismatchedKey: true }),
  },
  {
    name: 'HX-9',
    title: 'whose spiffe_id is not that of its leaf',
    rule: 'Workload API §5.1',
    template: () => ({}),
    spiffeId: `${HARNESS_ID}/other`,
  },
]

export const hardening: readonly ConformanceCase[] = badSvids.map(
  ({ name, title, rule, template, spiffeId = HARNESS_ID }) => ({
    name,
    level: 'optional',
    title: `an own SVID ${title} is not presented`,
    rule,
    run: async (stage) => {
      const scene = await serving(stage)
      const { home } = scene
      const bad = await home.mint(HARNESS_ID, await template(scene))
      await expectDiscarded(scene, { svids: [entry(spiffeId, bad, home)] })
    },
  }),
)
