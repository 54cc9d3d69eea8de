import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'

/**
 * Follows a page that is followed by hand: files are saved, and commands are run one after the other. A
 * fence `sh until: <pattern>` is a command that stays, once its output matches; what a `text` fence
 * shows is what the command before it prints.
 */
export interface WalkthroughOptions {
  /** The page. */
  readonly page: string
  /** The folder in which it is followed. */
  readonly folder: string
  /** Makes a command, or the text of a file, one that works here. */
  readonly adapt: (text: string) => string
  readonly env?: NodeJS.ProcessEnv
}

/** What a command printed, and what the page says that it prints. */
export interface Printed {
  readonly command: string
  readonly expected: string
  readonly actual: string
}

const FENCE = /^```(?<language>\w+) ?(?<info>[^\n]*)\n(?<code>.*?)^```$/gms

/** Follows the page to its end, ends all that it started, and resolves with what was printed. */
export async function follow(options: WalkthroughOptions): Promise<Printed[]> {
  const printed: Printed[] = []
  const started: ChildProcess[] = []
  let [command, actual] = ['', '']
  try {
    for (const { groups } of readFileSync(options.page, 'utf8').matchAll(FENCE)) {
      const { language = '', info = '', code = '' } = groups!
      if (language === 'sh' && info.startsWith('until: ')) {
        started.push(await start(options, code, new RegExp(info.slice('until: '.length))))
      } else if (language === 'sh') {
        command = code.trim()
        actual = await run(options, code)
      } else if (language === 'text') printed.push({ command, expected: code, actual })
      else if (info !== '') writeFileSync(join(options.folder, info), options.adapt(code))
    }
    return printed
  } finally {
    await Promise.all(started.map(end))
  }
}

function shell({ adapt, folder, env }: WalkthroughOptions, command: string) {
  return spawn('bash', ['-ec', adapt(command)], {
    cwd: folder,
    // A group of its own, so that what the shell started ends with it.
    detached: true,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

async function run(options: WalkthroughOptions, command: string): Promise<string> {
  const child = shell(options, command)
  const [out, error, [code]] = await Promise.all([
    text(child.stdout),
    text(child.stderr),
    once(child, 'exit'),
  ])
  if (code !== 0) throw new Error(`${command.trim()}: ${error}`)
  return out
}

async function start(
  options: WalkthroughOptions,
  command: string,
  pattern: RegExp,
): Promise<ChildProcess> {
  const child = shell(options, command)
  const error = text(child.stderr)
  let out = ''
  await new Promise<void>((resolve, reject) => {
    child.stdout.setEncoding('utf8').on('data', (chunk: string) => {
      out += chunk
      if (pattern.test(out)) resolve()
    })
    child.once('exit', () => {
      error.then((message) => reject(new Error(`${command.trim()}: ${message}`)), reject)
    })
  })
  return child
}

async function end(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.pid === undefined) return
  const exit = once(child, 'exit')
  process.kill(-child.pid, 'SIGTERM')
  await exit
}
