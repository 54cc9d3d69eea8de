import { runCommand } from './run.ts'

const { stdout, stderr } = process
const { exitCode, mustExit } = await runCommand(process.argv.slice(2), {
  stdout,
  stderr,
  signals: process,
})
// Where there was no error, a module of the user's may have set its own.
if (exitCode !== 0) process.exitCode = exitCode
if (mustExit) {
  await Promise.all([flush(stdout), flush(stderr)])
  process.exit()
}

/** Resolves when everything that was written before has reached its reader. */
function flush(stream: NodeJS.WriteStream): Promise<void> {
  return new Promise((resolve) => {
    stream.write('', () => resolve())
  })
}
