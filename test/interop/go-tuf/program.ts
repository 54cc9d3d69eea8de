import { join } from 'node:path'
import { build, pinned } from '../support/build.ts'
import { TufProgram } from '../support/tuf-program.ts'

const NAME = 'go-tuf'

/** Builds the program, or finds it in the user's cache. */
export async function goTuf(): Promise<{ version: string; start: () => TufProgram }> {
  const folder = await build({
    name: NAME,
    version: ['go', 'env', 'GOVERSION'],
    fetch: () => ['go', 'list', '-deps', '.'],
    compile: (output) => ['go', 'build', '-trimpath', '-buildvcs=false', '-o', join(output, NAME)],
  })
  const version = await pinned(NAME, 'go.mod', /go-tuf\/v2 v(\S+)/)
  return { version, start: () => new TufProgram([join(folder, NAME)]) }
}
