import { resolve } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { type Authz, type RouteTable, toMarkdown, toOpenApi } from '@fastify-spiffe/authz'
import type { TableCommand, TableFormat } from './command.ts'
import type { CommandContext } from './context.ts'

/** What is needed of a Fastify instance. */
interface Application {
  ready(): PromiseLike<unknown>
  close(): PromiseLike<unknown>
  /** There once the plugin has loaded. */
  readonly authz?: Pick<Authz, 'table'>
}

/** Long enough for a source that waits for its agent. */
const BOOT_MS = 60_000

/** What the module has left open is not worth more. */
const CLOSE_TIMEOUT_MS = 2_000

/**
 * Boots an application without listening, prints who may call what, and closes it. What else the module has
 * opened – a listener, timers, sources – stays open: the process has to be ended.
 */
export async function table(
  { module, exportName, format }: TableCommand,
  { stdout, stderr }: CommandContext,
  closeTimeoutMs: number = CLOSE_TIMEOUT_MS,
): Promise<void> {
  const app = await within(BOOT_MS, load(module, exportName), `${module}: not loaded`)
  try {
    await within(BOOT_MS, app.ready(), `${module}: the application has not booted`)
    if (app.authz === undefined) throw new Error(`${module}: the plugin authz is not registered`)
    stdout.write(formatted(app.authz.table(), format))
  } finally {
    const complaint = `${module}: the application has not closed`
    await within(closeTimeoutMs, app.close(), complaint).catch((error: unknown) => {
      // The table has been printed, or another error says why it has not.
      const message = error instanceof Error ? error.message : String(error)
      stderr.write(`fastify-spiffe: ${message}\n`)
    })
  }
}

/** @throws Error when it takes longer */
async function within<T>(ms: number, work: PromiseLike<T>, complaint: string): Promise<T> {
  const finished = new AbortController()
  const late = sleep(ms, undefined, { signal: finished.signal }).then(() => {
    throw new Error(`${complaint} within ${ms / 1000} s`)
  })
  try {
    return await Promise.race([work, late])
  } finally {
    finished.abort()
  }
}

async function load(path: string, exportName: string): Promise<Application> {
  const module: object = await import(pathToFileURL(resolve(path)).href)
  const exported: unknown = Reflect.get(module, exportName)
  const app: unknown = typeof exported === 'function' ? await exported() : exported
  if (isApplication(app)) return app
  const what = 'neither a Fastify instance nor a function that makes one'
  throw new Error(`${path}: the export '${exportName}' is ${what}`)
}

function isApplication(value: unknown): value is Application {
  return (
    typeof value === 'object' &&
    value !== null &&
    ['ready', 'close'].every((name) => typeof Reflect.get(value, name) === 'function')
  )
}

function formatted(routes: RouteTable, format: TableFormat): string {
  if (format === 'markdown') return toMarkdown(routes)
  return inJson(format === 'openapi' ? toOpenApi(routes) : routes)
}

function inJson(value: unknown): string {
  return `${JSON.stringify(value, null, 2)}\n`
}
