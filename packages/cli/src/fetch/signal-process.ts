import { readFile } from 'node:fs/promises'

/** Which process hears of new files, and by which signal. */
export interface SignalTarget {
  readonly signal: NodeJS.Signals
  /** The number of the process, or the file that holds it. It is read anew each time. */
  readonly process: { readonly pid: number } | { readonly pidFile: string }
}

/** As many digits as Linux has for a process. */
const PID = /^\d{1,7}$/

/** Whether a text is the number of a process that may be signalled: neither a group nor the first one. */
export function parsePid(text: string): number | undefined {
  const pid = PID.test(text) ? Number(text) : 0
  return pid > 1 ? pid : undefined
}

/**
 * Signals a process.
 * @throws an `Error` that says why it could not be signalled
 */
export async function signalProcess({ signal, process: target }: SignalTarget): Promise<void> {
  const pid = 'pid' in target ? target.pid : await readPid(target.pidFile)
  try {
    process.kill(pid, signal)
  } catch (cause) {
    throw new Error(`process ${pid} was not signalled: ${codeOf(cause)}`, { cause })
  }
}

async function readPid(file: string): Promise<number> {
  const text = await readFile(file, 'utf8').catch((cause: unknown) => {
    throw new Error(`${file} cannot be read: ${codeOf(cause)}`, { cause })
  })
  const pid = parsePid(text.trim())
  if (pid === undefined) throw new Error(`${file} does not hold the number of a process`)
  return pid
}

function codeOf(cause: unknown): string {
  return cause instanceof Error && 'code' in cause ? String(cause.code) : 'unknown'
}
