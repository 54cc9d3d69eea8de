import { chains } from './chains.ts'
import { connections } from './connections.ts'
import { decisions } from './decisions.ts'
import type { Promised } from './promised.ts'
import { proofs } from './proofs.ts'
import { sources } from './sources.ts'
import { tokens } from './tokens.ts'

export interface Section {
  readonly title: string
  readonly promises: readonly Promised[]
}

/** All promises. `docs/promises.md` is written from them by `pnpm generate`. */
export const sections: readonly Section[] = [
  { title: 'What a peer has to prove', promises: proofs },
  { title: 'What a token has to prove', promises: tokens },
  { title: 'Connections', promises: connections },
  { title: 'Who may call what', promises: decisions },
  { title: 'On whose behalf a call is made', promises: chains },
  { title: 'The own SVID, and whoever it comes from', promises: sources },
]
