import { lstat, mkdtemp, rm, unlink } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { isAbsolute, join } from 'node:path'
import { AuthorityError } from '../errors.ts'

/** What `sockaddr_un.sun_path` holds on Linux, without its final NUL. */
export const MAX_SOCKET_PATH_BYTES = 107

/** A path to bind a socket at, and what has to be removed in the end. */
export interface SocketPath {
  readonly path: string
  remove(): Promise<void>
}

/**
 * Takes the given path, or one in a new directory that only this user can enter.
 * @throws {@link AuthorityError} `invalid-socket-path`
 */
export async function openSocketPath(given: string | undefined): Promise<SocketPath> {
  if (given !== undefined) {
    checkSocketPath(given)
    return { path: given, remove: async () => {} }
  }
  // mkdtemp makes it with mode 0700.
  const directory = await mkdtemp(join(tmpdir(), 'spiffe-'))
  const remove = (): Promise<void> => rm(directory, { recursive: true, force: true })
  try {
    const path = join(directory, 'workload.sock')
    checkSocketPath(path)
    return { path, remove }
  } catch (error) {
    await remove()
    throw error
  }
}

/**
 * Removes a socket that a process left behind. What is not a socket, or is listened on, stays.
 * @throws {@link AuthorityError} `invalid-socket-path`, `socket-in-use`
 */
export async function removeStaleSocket(path: string): Promise<void> {
  const status = await lstat(path).catch(ignoreMissing)
  if (status === undefined) return
  if (!status.isSocket()) {
    throw new AuthorityError('invalid-socket-path', `${path} exists and is not a socket`)
  }
  if (await isListenedOn(path)) {
    throw new AuthorityError('socket-in-use', `another process listens on ${path}`)
  }
  await unlink(path).catch(ignoreMissing)
}

function checkSocketPath(path: string): void {
  const fault = faultOf(path)
  if (fault === null) return
  throw new AuthorityError('invalid-socket-path', `the socket path ${fault}`)
}

function faultOf(path: string): string | null {
  if (!isAbsolute(path)) return 'is not absolute'
  if (path.includes('\0')) return 'contains a NUL'
  const bytes = Buffer.byteLength(path)
  if (bytes <= MAX_SOCKET_PATH_BYTES) return null
  return `has ${bytes} bytes, and a socket address holds ${MAX_SOCKET_PATH_BYTES}`
}

function isListenedOn(path: string): Promise<boolean> {
  return new Promise((resolve, reject) => {
    const socket = connect(path)
    socket.once('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.once('error', (error: NodeJS.ErrnoException) => {
      if (error.code === 'ECONNREFUSED' || error.code === 'ENOENT') resolve(false)
      else reject(new AuthorityError('invalid-socket-path', `cannot use ${path}`, { cause: error }))
    })
  })
}

function ignoreMissing(error: unknown): undefined {
  if (errorCodeOf(error) !== 'ENOENT') throw error
}

/** The `code` of an error. Not by `instanceof Error`: in a test runner's realm, Node's own errors are none. */
export function errorCodeOf(error: unknown): unknown {
  return typeof error === 'object' && error !== null && 'code' in error ? error.code : undefined
}
