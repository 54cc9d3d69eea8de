import { execFile } from 'node:child_process'
import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import type { Peer } from '../peer.ts'
import { programPath } from '../support/programs.ts'
import { proxyRoles, type ProxyProgram } from '../support/proxy.ts'
import { adminSocket, clientConfiguration, serverConfiguration } from './configuration.ts'

/**
 * A proxy that reads its SVID from a file, and gets the next ones over its runtime API, without a reload. The SVID must have
 * a DNS name: haproxy 2.6 stops asking for client certificates when it is given a certificate without any.
 */
export const haproxy: Peer = {
  name: 'haproxy',
  requires: ['haproxy'],
  prepare: async () => {
    const path = programPath('haproxy')
    const { stdout } = await promisify(execFile)(path, ['-v'])
    const program: ProxyProgram = {
      name: 'haproxy',
      command: (file) => [path, '-db', '-f', file],
      renew: async ({ files }, svid) => {
        const socket = adminSocket(files)
        await ask(socket, `set ssl cert ${files.svid} <<\n${svid}\n`, 'Transaction')
        await ask(socket, `commit ssl cert ${files.svid}\n`, 'Success')
      },
    }
    const version = /version (\d[\d.]*)/.exec(stdout)?.[1] ?? 'unknown'
    const configurations = { client: clientConfiguration, server: serverConfiguration }
    return { version, ...proxyRoles(program, configurations) }
  },
}

/** Sends one command to the runtime API. An answer without `expected` is an error. */
async function ask(path: string, command: string, expected: string): Promise<void> {
  const socket = connect(path)
  socket.write(command)
  const answer = await text(socket)
  if (!answer.includes(expected)) throw new Error(`haproxy: ${answer}`)
}
