import { channel } from 'node:diagnostics_channel'
import {
  InitialSync,
  Problems,
  publishBundles,
  publishChanges,
  publishProblem,
  QUIET_MS,
} from '@fastify-spiffe/spiffe/internal'
import { FileSourceError } from '../errors.ts'
import type { Snapshot } from './snapshot.ts'

const jwtBundleUpdated = channel('spiffe:jwt-bundle:updated')

/** Publishes what differs between two snapshots. */
export function publishDifference(endpoint: string, before: Snapshot, after: Snapshot): void {
  publishChanges(endpoint, before, after)
  if (before.jwtBundles !== after.jwtBundles) {
    publishBundles(jwtBundleUpdated, endpoint, after.jwtBundles)
  }
}

/** The wait for the first SVID. */
export function initialSync(): InitialSync<FileSourceError> {
  return new InitialSync(
    'an X.509-SVID',
    (latest, message) => new FileSourceError(latest.code, message, { cause: latest }),
  )
}

/** What reports why a source is not ready. */
export function problemsOf(
  endpoint: string,
  onProblem: ((problem: FileSourceError) => void) | undefined,
): Problems<FileSourceError> {
  const message = `the files of ${endpoint} were not read for ${QUIET_MS} ms: see that their file system answers`
  return new Problems({
    endpoint,
    name: 'FileSource',
    warningType: 'FileSourceWarning',
    publish: publishProblem,
    onProblem,
    onQuiet: () => new FileSourceError('timeout', message),
  })
}

/** Says that a folder cannot be watched; its files are looked at from time to time. */
export function warnUnwatched(message: string): void {
  process.emitWarning(message, { type: 'FileSourceWarning', code: 'folder-not-watched' })
}
