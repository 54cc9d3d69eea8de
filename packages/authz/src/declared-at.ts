import { fileURLToPath } from 'node:url'

const FRAME = /\(?([^\s()]+):(\d+):\d+\)?$/
/** Enough for wrappers around `route()`. */
const MAX_FRAMES = 30

/**
 * File and line of the code that declares a route, found while Fastify tells of it: the first frame of the stack below those of
 * installed packages. `null` where the stack does not tell.
 */
export function declaredAt(): string | null {
  const limit = Error.stackTraceLimit
  Error.stackTraceLimit = MAX_FRAMES
  const { stack = '' } = new Error('stack')
  Error.stackTraceLimit = limit
  const frames = stack.split('\n').slice(1)
  const first = frames.findIndex(isInstalled)
  const caller = frames.slice(first).find((frame) => !isInstalled(frame))
  const [, file, line] = (first < 0 ? null : FRAME.exec(caller ?? '')) ?? []
  if (file === undefined || file.startsWith('node:')) return null
  return `${file.startsWith('file:') ? fileURLToPath(file) : file}:${line}`
}

function isInstalled(frame: string): boolean {
  return frame.includes('/node_modules/')
}
