import { once } from 'node:events'
import { Authority } from '@fastify-spiffe/authority'
import { X509Source } from 'fastify-spiffe'
import { startService } from './services.ts'
import { Stage } from './stage.ts'
import { followIntoFolder } from './svid-files.ts'
import { chapter, info, strong } from './terminal.ts'

/** Long enough to type a command between two rotations of the files. */
const SVID_TTL_MS = 10 * 60_000

export interface ServeOptions {
  readonly port: number
  /** Where the SVID of an allowed caller goes, for curl and openssl. */
  readonly directory: string
}

/** Runs the service of the demo until SIGINT or SIGTERM. */
export async function serve({ port, directory }: ServeOptions): Promise<void> {
  await using stage = new Stage()
  const authority = stage.use(
    await Authority.create({ trustDomain: 'example.org', svidTtlMs: SVID_TTL_MS }),
  )
  const open = async (path: string): Promise<X509Source> => {
    const endpoint = stage.use(await authority.serve({ spiffeId: `spiffe://example.org${path}` }))
    return stage.use(await X509Source.open({ address: endpoint.address }))
  }
  const source = await open('/acme/orders')
  const web = await open('/acme/web')
  stage.defer(followIntoFolder(web, directory))
  const service = await startService({ source, readers: ['spiffe://example.org/acme/web'], port })
  stage.defer(service.close)

  // First, so that a signal right after the line below already ends it.
  const ended = Promise.race([once(process, 'SIGINT'), once(process, 'SIGTERM')])
  chapter('The demo service is up. End it with Ctrl+C')
  info(`https://127.0.0.1:${strong(service.port)} is ${service.server.toString()}`)
  info(`the SVID of spiffe://example.org/acme/web is in ${strong(directory)}`)
  await ended
}
