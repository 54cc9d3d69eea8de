import { join } from 'node:path'
import { build, pinned, sourcesOf } from '../support/build.ts'
import { TufProgram } from '../support/tuf-program.ts'

const NAME = 'python-tuf'

/** Installs python-tuf, or finds it in the user's cache. */
export async function pythonTuf(): Promise<{ version: string; start: () => TufProgram }> {
  const pip = ['-m', 'pip', 'install', '--quiet', '--no-input', '--disable-pip-version-check']
  const folder = await build({
    name: NAME,
    version: ['python3', '--version'],
    // The list is complete: what is not in it is not installed.
    fetch: (output) => [
      'python3',
      ...pip,
      '--no-deps',
      '--target',
      output,
      '-r',
      'requirements.txt',
    ],
  })
  const version = await pinned(NAME, 'requirements.txt', /^tuf==(\S+)/m)
  const program = join(sourcesOf(NAME), 'tuf_program.py')
  // What it compiled would lie among its sources.
  const env = { PYTHONPATH: folder, PYTHONDONTWRITEBYTECODE: '1' }
  return { version, start: () => new TufProgram(['python3', program], env) }
}
