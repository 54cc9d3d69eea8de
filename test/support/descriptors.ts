import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import protobuf from 'protobufjs'

/** A service definition that a package carries as a module: a bundled service has no `.proto` to read. */
export interface Descriptor {
  /** From the root of the repository. */
  readonly proto: string
  /** The module that is generated from it, without its ending. */
  readonly module: string
  /** Whether fields are called as in the file, or in camel case. */
  readonly keepCase: boolean
}

export const root: string = fileURLToPath(new URL('../../../', import.meta.url))

export const DESCRIPTORS: readonly Descriptor[] = [
  {
    proto: 'packages/spiffe/workload.proto',
    module: 'packages/workload-api/src/channel/workload-descriptor',
    keepCase: false,
  },
  {
    proto: 'packages/spiffe/workload.proto',
    module: 'packages/authority/src/endpoint/workload-descriptor',
    keepCase: true,
  },
  {
    proto: 'packages/engine-ext-authz/authorization.proto',
    module: 'packages/engine-ext-authz/src/authorization-descriptor',
    keepCase: true,
  },
]

/** What protobuf.js reads in the file, and in the files that it imports, as plain data. */
export function descriptorOf({ proto, keepCase }: Descriptor): object {
  const loaded = new protobuf.Root()
  const library = dirname(createRequire(import.meta.url).resolve('protobufjs/package.json'))
  // Each import is one of protobuf's own.
  loaded.resolvePath = (origin, target) => (origin === '' ? target : join(library, target))
  loaded.loadSync(join(root, proto), { keepCase })
  // Without what JSON leaves out.
  return JSON.parse(JSON.stringify(loaded.toJSON()))
}
