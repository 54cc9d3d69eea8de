import { readdirSync } from 'node:fs'
import { join } from 'node:path'

/** The paths of all sources of all packages below `root`, their tests left out. */
export function sourceFiles(root: string): string[] {
  return readdirSync(join(root, 'packages')).flatMap((name) => {
    const folder = join(root, 'packages', name, 'src')
    return readdirSync(folder, { recursive: true, encoding: 'utf8' })
      .filter((path) => path.endsWith('.ts') && !path.includes('.test.'))
      .map((path) => join(folder, path))
  })
}
