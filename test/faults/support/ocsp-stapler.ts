import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { OcspStapler } from '@fastify-spiffe/ocsp'

// Keeps answers in a folder, one after the other as fast as it can, until it is killed.

const [folder = '', directory = ''] = process.argv.slice(2)
const answers = ['one.der', 'two.der'].map((name) => readFileSync(join(folder, name)))
let asked = 0

const stapler = await OcspStapler.open({
  certificate: readFileSync(join(folder, 'web.pem')),
  responderUrl: 'http://127.0.0.1:1/',
  directory,
  transport: async () => answers[(asked += 1) % answers.length]!,
})
process.send?.('started')
for (;;) {
  await stapler.refresh()
  // A refresh does not wait until its answer is written.
  await setTimeout(1)
}
