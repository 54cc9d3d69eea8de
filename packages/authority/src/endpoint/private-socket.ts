import { once } from 'node:events'
import { chmod, link, lstat, mkdtemp, open, rename, rm, unlink } from 'node:fs/promises'
import type { Server } from 'node:net'
import { basename, dirname, join } from 'node:path'
import { AuthorityError } from '../errors.ts'
import { errorCodeOf, MAX_SOCKET_PATH_BYTES } from './socket-path.ts'

/** A socket that is listened on. */
export interface BoundSocket {
  /** Takes its name away, unless another socket has that name by now. */
  remove(): Promise<void>
}

/**
 * Lets `server` listen on a Unix socket that only this user can open, at any moment. A socket is
 * bound with the mode that the umask leaves, and its mode is set afterwards. So it is bound in a
 * new directory that only this user can enter, and gets its name when its mode is set. The umask is
 * not touched: it belongs to the whole process.
 *
 * @throws {@link AuthorityError} `socket-in-use` when another process took the name meanwhile; what the file
 *   system says
 */
export async function listenPrivately(server: Server, path: string): Promise<BoundSocket> {
  // mkdtemp makes it with mode 0700. In the same directory, because a name cannot move to another file system.
  // Not by `join`, which takes a dot at the end away.
  const directory = await mkdtemp(`${dirname(path)}/.`)
  try {
    const socket = join(directory, basename(directory))
    await listenOn(server, socket)
    await chmod(socket, 0o600)
    const { dev, ino } = await lstat(socket, { bigint: true })
    await moveUnlessTaken(socket, path)
    return {
      remove: async () => {
        const status = await lstat(path, { bigint: true }).catch(() => undefined)
        if (status?.dev === dev && status.ino === ino) await rm(path, { force: true })
      },
    }
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

/** A path that is too long for a socket address is reached through its directory's file descriptor. */
async function listenOn(server: Server, path: string): Promise<void> {
  if (Buffer.byteLength(path) <= MAX_SOCKET_PATH_BYTES) return bind(server, path)
  const directory = await open(dirname(path))
  try {
    await bind(server, `/proc/self/fd/${directory.fd}/${basename(path)}`)
  } finally {
    await directory.close()
  }
}

async function bind(server: Server, path: string): Promise<void> {
  const listening = once(server, 'listening')
  // Exclusive: a worker of a cluster binds by itself, and not its primary.
  server.listen({ path, exclusive: true })
  await listening
}

/** Unlike a rename, a link replaces nothing. */
async function moveUnlessTaken(from: string, to: string): Promise<void> {
  try {
    await link(from, to)
    await unlink(from)
  } catch (cause) {
    if (errorCodeOf(cause) === 'EEXIST') {
      throw new AuthorityError('socket-in-use', `another process took ${to}`, { cause })
    }
    // Some file systems have no links to sockets.
    await rename(from, to)
  }
}
