import { fileURLToPath } from 'node:url'

const POLICY = new URL('../../../policy/dist/', import.meta.url)

/** A module inside of `@fastify-spiffe/policy`, which its `exports` do not name. The type is that of the source. */
export async function internal<T>(path: string): Promise<T> {
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- by the caller, who names both
  return (await import(fileURLToPath(new URL(path, POLICY)))) as T
}
