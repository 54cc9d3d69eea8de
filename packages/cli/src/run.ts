import { readFile } from 'node:fs/promises'
import { type Command, parseCommand } from './command.ts'
import type { CommandContext } from './context.ts'
import { dev } from './dev.ts'
import { fetchToFiles } from './fetch/fetch.ts'
import { table } from './table.ts'
import { tableDiff } from './table-diff.ts'
import { tuf } from './tuf.ts'
import { usage, UsageError } from './usage.ts'

export interface CommandResult {
  readonly exitCode: number
  /** Whether a module of the user's may have left open what keeps the process alive. */
  readonly mustExit: boolean
}

/** Runs the command that the arguments name. Errors are written, and become an exit code. */
export async function runCommand(
  args: readonly string[],
  context: CommandContext,
): Promise<CommandResult> {
  let command: Command | undefined
  let exitCode: number
  try {
    command = parseCommand(args)
    exitCode = await run(command, context)
  } catch (error) {
    const hint = error instanceof UsageError ? '\nTry: npx @fastify-spiffe/cli --help' : ''
    const message = error instanceof Error ? error.message : String(error)
    context.stderr.write(`fastify-spiffe: ${message}${hint}\n`)
    exitCode = error instanceof UsageError ? 2 : 1
  }
  return { exitCode, mustExit: command?.name === 'table' }
}

async function run(command: Command, context: CommandContext): Promise<number> {
  switch (command.name) {
    case 'help':
      context.stdout.write(usage)
      return 0
    case 'version':
      context.stdout.write(`${await readVersion()}\n`)
      return 0
    case 'dev':
      await dev(command, context)
      return 0
    case 'fetch':
      await fetchToFiles(command, context)
      return 0
    case 'table':
      await table(command, context)
      return 0
    case 'tuf':
      await tuf(command, context)
      return 0
    case 'table-diff':
  }
  // As with `diff`: 1 says that they differ, 2 that they could not be compared.
  return (await tableDiff(command, context)) ? 0 : 1
}

async function readVersion(): Promise<string> {
  const manifest = await readFile(new URL('../package.json', import.meta.url), 'utf8')
  const { version }: { version: string } = JSON.parse(manifest)
  return version
}
