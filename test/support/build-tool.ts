import { spawn } from 'node:child_process'
import { setPriority } from 'node:os'

const LOW_PRIORITY = 10
const KEPT_OUTPUT_CHARS = 4096

export interface BuildToolOptions {
  readonly cwd: string
  readonly env?: NodeJS.ProcessEnv
}

/**
 * Runs a compiler or package manager to its end, at low priority, and gives what it wrote to stdout.
 * @throws Error with the last of what it wrote when it fails
 */
export function runBuildTool(
  file: string,
  args: readonly string[],
  { cwd, env = {} }: BuildToolOptions,
): Promise<string> {
  return new Promise((resolve, reject) => {
    const tool = spawn(file, args, {
      cwd,
      env: { ...process.env, ...env },
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    if (tool.pid !== undefined) setPriority(tool.pid, LOW_PRIORITY)
    let out = ''
    let last = ''
    const keep = (chunk: string): void => {
      last = (last + chunk).slice(-KEPT_OUTPUT_CHARS)
    }
    tool.stdout.setEncoding('utf8').on('data', (chunk: string) => (out += chunk) && keep(chunk))
    tool.stderr.setEncoding('utf8').on('data', keep)
    tool.once('error', reject)
    tool.once('close', (code) => {
      if (code === 0) resolve(out)
      else reject(new Error(`${file} ${args[0] ?? ''} ended with ${code}:\n${last.trim()}`))
    })
  })
}
