import { readFile } from 'node:fs/promises'
import { parseCommand, type Command } from './command.ts'
import { dev } from './dev.ts'
import { table } from './table.ts'
import { tableDiff } from './table-diff.ts'
import { usage, UsageError } from './usage.ts'

async function run(command: Command): Promise<void> {
  switch (command.name) {
    case 'help':
      process.stdout.write(usage)
      return
    case 'version':
      process.stdout.write(`${await readVersion()}\n`)
      return
    case 'dev':
      await dev(command)
      return
    case 'table':
      try {
        await table(command)
      } finally {
        endProcess = true
      }
      return
    case 'table-diff':
      // As with `diff`: 1 says that they differ, 2 that they could not be compared.
      process.exitCode = (await tableDiff(command)) ? 0 : 1
  }
}

/** A module of the user's may have left open what would keep the process alive for ever. */
let endProcess = false

/** Resolves when everything that was written before has reached its reader. */
function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}

async function readVersion(): Promise<string> {
  const manifest = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  const { version }: { version: string } = JSON.parse(manifest)
  return version
}

try {
  await run(parseCommand(process.argv.slice(2)))
} catch (error) {
  const hint = error instanceof UsageError ? '\nTry: npx @fastify-spiffe/cli --help' : ''
  const message = error instanceof Error ? error.message : String(error)
  process.stderr.write(`fastify-spiffe: ${message}${hint}\n`)
  process.exitCode = error instanceof UsageError ? 2 : 1
}
if (endProcess) {
  await Promise.all([flush(process.stdout), flush(process.stderr)])
  process.exit()
}
