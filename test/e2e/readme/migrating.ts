import { readFileSync, renameSync, writeFileSync } from 'node:fs'
import https from 'node:https'
import { join } from 'node:path'
import { describe, expect, test } from '@jest/globals'
import { answerTo, callPlain } from '../../support/readme-world.ts'
import type { Running } from './running.ts'

const PAGE = 'docs/migrating.md'
const WEB = 'spiffe://example.org/acme/web'

interface Migrating extends Running {
  /** Where the programs of the page run. */
  readonly folder: string
}

/** Takes the steps of `docs/migrating.md`, and undoes one. */
export function describeMigrating({ portsOf, world, folder }: Migrating): void {
  const status = async (port: number, as: string | null): Promise<number | 'cut'> =>
    world()
      .call(port, '/orders', { as })
      .then(
        (answer) => answer.status,
        () => 'cut' as const,
      )
  const statuses = (port: number): Promise<unknown[]> =>
    Promise.all(['/acme/web', '/acme/batch', null].map((as) => status(port, as)))
  const files = (name: string): Buffer => readFileSync(join(folder, 'tls', name))

  /** Puts another text in the place of `policy.json`, all at once, as a deployment does. */
  const deploy = (text: string): void => {
    writeFileSync(join(folder, 'next.json'), text)
    renameSync(join(folder, 'next.json'), join(folder, 'policy.json'))
  }

  describe('the steps of migrating', () => {
    test('begin with a second listener that refuses nobody', async () => {
      const [plain, mtls] = await portsOf(PAGE, 'Step 1: a listener beside the old one')
      expect((await callPlain(plain!, '/orders')).status).toBe(200)
      expect(await statuses(mtls!)).toEqual([200, 200, 200])
    })

    test('go on with one that demands certificates, whoever has one', async () => {
      const [plain, mtls] = await portsOf(PAGE, 'Step 3: demand certificates')
      expect((await callPlain(plain!, '/orders')).status).toBe(200)
      expect(await statuses(mtls!)).toEqual([200, 200, 'cut'])
    })

    test('enforce the rules by a file alone, and take that back by the file alone', async () => {
      const [, mtls] = await portsOf(PAGE, 'Step 3: demand certificates')
      const shadow = readFileSync(join(folder, 'policy.json'), 'utf8')
      deploy(readFileSync(join(folder, 'policy-enforced.json'), 'utf8'))
      while ((await status(mtls!, '/acme/batch')) !== 403);
      expect(await statuses(mtls!)).toEqual([200, 403, 'cut'])
      deploy(shadow)
      while ((await status(mtls!, '/acme/batch')) !== 200);
    })

    test('end without the old listener', async () => {
      const ports = await portsOf(PAGE, 'Step 5: close the old port')
      expect(ports).toHaveLength(1)
      expect(await statuses(ports[0]!)).toEqual([200, 403, 'cut'])
    })

    test('keep static certificates on their own port until the callers have moved', async () => {
      const [old, mtls] = await portsOf(PAGE, 'Step 1: a listener beside the old one, from files')
      const call = (port: number, ca: Buffer | undefined) =>
        answerTo(
          https.request({
            host: '127.0.0.1',
            port,
            path: '/orders',
            servername: 'localhost',
            cert: files('client.pem'),
            key: files('client-key.pem'),
            rejectUnauthorized: ca !== undefined,
            agent: false,
            ...(ca !== undefined && { ca }),
          }),
        )
      expect((await call(old!, files('ca.pem'))).status).toBe(200)
      await expect(call(mtls!, undefined)).rejects.toThrow()
      expect(await status(mtls!, '/acme/web')).toBe(200)
    })

    test('give handlers the same caller beside a sidecar as behind it', async () => {
      const [behind, mtls] = await portsOf(
        PAGE,
        'Step 1: a listener beside the port of the sidecar',
      )
      const header = `By=spiffe://example.org/acme/orders;Hash=abc;URI=${WEB}`
      const said = { 'x-forwarded-client-cert': header }
      expect((await callPlain(behind!, '/orders', said)).body).toBe(`orders for ${WEB}`)
      expect((await callPlain(behind!, '/orders')).body).toBe('orders for null')
      const forged = { headers: { 'x-forwarded-client-cert': 'URI=spiffe://example.org/root' } }
      expect((await world().call(mtls!, '/orders', forged)).body).toBe(`orders for ${WEB}`)
    })
  })
}
