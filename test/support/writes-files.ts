import { FileSetWriter } from '@fastify-spiffe/files'

/**
 * Writes sets of files without a pause, until it is killed; `test/support/killed-writers.ts` starts it. Each file of a set
 * holds the same number, over and over, so that what is not whole shows.
 */
const [folder = '', start = '0'] = process.argv.slice(2)
const writer = await FileSetWriter.open(folder)
for (let number = Number(start); ; number++) {
  const content = `${number}\n`.repeat(500)
  await writer.write(
    new Map(['svid.pem', 'svid_key.pem', 'svid_bundle.pem'].map((name) => [name, content])),
  )
  process.stdout.write(`${number}\n`)
}
