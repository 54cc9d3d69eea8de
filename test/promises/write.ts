/** Writes `docs/promises.md`. */
import { writeFileSync } from 'node:fs'
import { pageOf } from './page.ts'
import { sections } from './promises.ts'

writeFileSync(new URL('../../../docs/promises.md', import.meta.url), pageOf(sections))
