import { execFile } from 'node:child_process'
import { tmpdir } from 'node:os'
import { expect, test } from '@jest/globals'

const MODULE = new URL('binaries.js', import.meta.url).href

/** Asks for the binaries in a process with this environment and no other, and gives what it wrote to stderr. */
function complaintIn(env: Record<string, string>): Promise<string> {
  const script = `import { spireBinaries } from '${MODULE}'; await spireBinaries()`
  return new Promise((resolve, reject) => {
    execFile(process.execPath, ['--input-type=module', '-e', script], { env }, (error, _, stderr) =>
      error === null ? reject(new Error('binaries were found')) : resolve(stderr),
    )
  })
}

test('where there is neither Go nor a binary, that is what the error says', async () => {
  const complaint = await complaintIn({ PATH: '/nonexistent' })

  expect(complaint).toContain('neither a binary nor a usable Go was found')
  expect(complaint).toContain('SPIRE_BIN_DIR')
})

test('a SPIRE_BIN_DIR without the binaries is named, and nothing is built instead', async () => {
  const complaint = await complaintIn({ PATH: '/nonexistent', SPIRE_BIN_DIR: tmpdir() })

  expect(complaint).toContain(
    `SPIRE_BIN_DIR=${tmpdir()} does not hold spire-server and spire-agent`,
  )
})
