import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { goPrograms, holdsPrograms, type GoModule } from '../support/go-programs.ts'

const PACKAGE = 'github.com/spiffe/spire/cmd'
const PROGRAMS = ['spire-server', 'spire-agent'] as const

const MODULE: GoModule = {
  folder: fileURLToPath(new URL('../../spire/module/', import.meta.url)),
  name: 'spire',
  programs: new Map(PROGRAMS.map((program) => [program, `${PACKAGE}/${program}`])),
  sources: ['go.sum'],
  patience: 'minutes, once',
  alternative: ', or set SPIRE_BIN_DIR to a folder with spire-server and spire-agent',
}

/** Where the two programs of SPIRE are. */
export interface SpireBinaries {
  readonly folder: string
  readonly server: string
  readonly agent: string
}

/**
 * Finds SPIRE's server and agent, or builds them from the pinned Go module in `test/spire/module`.
 *
 * - `$SPIRE_BIN_DIR` comes first and must hold both programs.
 * - Else a folder of the user's cache, named after the module's checksums and the version of Go.
 * - Else they are built into that folder: 5 to 6 minutes on two cores with cold caches, once.
 *
 * @throws Error when there is neither a binary nor Go to build one
 */
export async function spireBinaries(): Promise<SpireBinaries> {
  const given = process.env['SPIRE_BIN_DIR']
  if (given === undefined || given === '') return binariesIn(await goPrograms(MODULE))
  if (await holdsPrograms(given, PROGRAMS)) return binariesIn(given)
  throw new Error(`SPIRE_BIN_DIR=${given} does not hold ${PROGRAMS.join(' and ')}`)
}

function binariesIn(folder: string): SpireBinaries {
  return { folder, server: join(folder, 'spire-server'), agent: join(folder, 'spire-agent') }
}
