import type { ReadmeWorld } from '../../support/readme-world.ts'

/** The programs of the documents, while they run. */
export interface Running {
  /** The ports of the servers of the first program below a heading, or of the first one of the document. */
  readonly portsOf: (path: string, heading?: string) => Promise<readonly number[]>
  /** The first program below a heading, or of the document. */
  readonly fileOf: (path: string, heading?: string) => string
  /** There once the tests run. */
  readonly world: () => ReadmeWorld
}
