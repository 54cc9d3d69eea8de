import { fileURLToPath } from 'node:url'
import type { FastifyInstance } from 'fastify'

/** Who declares a route, as far as that is known. */
export interface Declaration {
  /** File and line of the code that declares it. */
  readonly declaredAt?: string
  /** The plugin that declares it. */
  readonly plugin?: string
}

const FRAME = /\(?([^\s()]+):(\d+):\d+\)?$/
/** Enough for wrappers around `route()`. */
const MAX_FRAMES = 30
/** Not the source text by which Fastify calls plugins that have no name, nor the application itself, nor an export. */
const NAME = /^(?!(?:fastify|default)$|anonymous|null)[\w@/.:-]{1,200}$/

/** Found while Fastify reports the route, on the instance that declares it. */
export function declarationOf(instance: FastifyInstance): Declaration {
  const declaredAt = callerOfFastify()
  // The first name is that of the instance. The others are plugins that were loaded into it, of which the last is loading
  // if no code of the application declares the route.
  const names = instance.pluginName.split(' -> ')
  const plugin = declaredAt === null ? names.at(-1) : names[0]
  return {
    ...(declaredAt !== null && { declaredAt }),
    ...(plugin !== undefined && NAME.test(plugin) && { plugin }),
  }
}

/**
 * The first frame of the stack below those of installed packages; `null` if the stack does not show
 * it.
 */
function callerOfFastify(): string | null {
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
