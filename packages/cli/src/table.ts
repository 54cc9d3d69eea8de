import { resolve } from 'node:path'
import { pathToFileURL } from 'node:url'
import { type Authz, type RouteTable, toMarkdown, toOpenApi } from '@fastify-spiffe/authz'
import type { TableCommand, TableFormat } from './command.ts'

/** What is needed of a Fastify instance. */
interface Application {
  ready(): PromiseLike<unknown>
  close(): PromiseLike<unknown>
  /** There once the plugin has loaded. */
  readonly authz?: Pick<Authz, 'table'>
}

/** Boots an application without listening, prints who may call what, and closes it. */
export const table = async ({ module, exportName, format }: TableCommand): Promise<void> => {
  const app = await load(module, exportName)
  try {
    await app.ready()
    if (app.authz === undefined) throw new Error(`${module}: the plugin authz is not registered`)
    process.stdout.write(formatted(app.authz.table(), format))
  } finally {
    await app.close()
  }
}

const load = async (path: string, exportName: string): Promise<Application> => {
  const module: object = await import(pathToFileURL(resolve(path)).href)
  const exported: unknown = Reflect.get(module, exportName)
  const app: unknown = typeof exported === 'function' ? await exported() : exported
  if (isApplication(app)) return app
  const what = 'neither a Fastify instance nor a function that makes one'
  throw new Error(`${path}: the export '${exportName}' is ${what}`)
}

const isApplication = (value: unknown): value is Application =>
  typeof value === 'object' &&
  value !== null &&
  ['ready', 'close'].every((name) => typeof Reflect.get(value, name) === 'function')

const formatted = (routes: RouteTable, format: TableFormat): string => {
  if (format === 'markdown') return toMarkdown(routes)
  return inJson(format === 'openapi' ? toOpenApi(routes) : routes)
}

const inJson = (value: unknown): string => `${JSON.stringify(value, null, 2)}\n`
