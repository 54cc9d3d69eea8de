import { TufBundleSource, type TufBundleSourceOptions } from '@fastify-spiffe/tuf-source'

/**
 * A process that follows a repository with several sources at once, without a pause, until it is killed. It says `ready`
 * when all of them are open.
 */
const [, , options = '[]'] = process.argv
const all = JSON.parse(options) as readonly TufBundleSourceOptions[]
const sources = await Promise.all(all.map((each) => TufBundleSource.open(each)))
process.send?.('ready')
await Promise.all(
  sources.map(async (source) => {
    for (;;) await source.refresh()
  }),
)
