import { execFile, spawn } from 'node:child_process'
import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { anchorsFor } from './anchors.ts'
import { ACCEPTED, refused, type Judge, type Opinion, type Question } from './judge.ts'

const SHELLS = 2

// As strict as it gets: both ends of a connection, keys and hashes of 112 bits, the form of what RFC 5280 §4 asks for, and
// certificate policies, which it would pass over otherwise: all of them are acceptable, and not none.
const OPTIONS =
  '-x509_strict -policy_check -policy 2.5.29.32.0 -auth_level 2 -partial_chain -no-CAfile -no-CApath -no-CAstore'
const PURPOSES = ['sslclient', 'sslserver'] as const

/**
 * `openssl verify`, for both purposes; see {@link anchorsFor} for what it is held against. Its codes are the numbers of
 * all errors that it lists, such as `10` for an expired certificate, or `unreadable`.
 *
 * A shell starts one process after the other: that takes 4 ms for each, and three times as long from Node.
 * @throws Error when there is no `openssl`
 */
export async function openssl(): Promise<Judge<'openssl'>> {
  await promisify(execFile)('openssl', ['version'])
  return { name: 'openssl', judge, [Symbol.asyncDispose]: () => Promise.resolve() }
}

async function judge(questions: readonly Question[]): Promise<readonly Opinion[]> {
  const folder = await mkdtemp(join(tmpdir(), 'fastify-spiffe-openssl-'))
  try {
    const commands: string[] = []
    for (const [number, question] of questions.entries()) {
      commands.push(await prepare(folder, number, question))
    }
    const shares = Array.from({ length: SHELLS }, (_, shell) =>
      commands.filter((_command, number) => number % SHELLS === shell),
    )
    const outputs = await Promise.all(shares.map((share) => runAll(folder, share)))
    const opinions = readOpinions(outputs.join(''))
    return questions.map((_, number) => opinions.get(number) ?? missing(number))
  } finally {
    await rm(folder, { recursive: true, force: true })
  }
}

/** Writes the certificates down, and gives the lines of the shell that have them verified. */
async function prepare(folder: string, number: number, question: Question): Promise<string> {
  const [leaf, ...others] = question.chain
  const anchors = anchorsFor(question)
  await writeFile(join(folder, `${number}.leaf`), toPem(leaf === undefined ? [] : [leaf]))
  const files = [`${number}.leaf`]
  const stores: string[] = []
  for (const [option, certificates] of [
    ['untrusted', others],
    ['trusted', anchors],
  ] as const) {
    if (certificates.length === 0) continue
    await writeFile(join(folder, `${number}.${option}`), toPem(certificates))
    stores.push(`-${option} ${number}.${option}`)
  }
  const time = Math.floor(question.now / 1000)
  return PURPOSES.map(
    (purpose) =>
      `openssl verify ${OPTIONS} -attime ${time} -purpose ${purpose} ${stores.join(' ')} ${files[0]}; echo "= ${number} $?"`,
  ).join('\n')
}

async function runAll(folder: string, commands: readonly string[]): Promise<string> {
  const shell = spawn('sh', { cwd: folder, stdio: ['pipe', 'pipe', 'inherit'] })
  shell.stdin.end(`exec 2>&1\n${commands.join('\n')}\n`)
  return text(shell.stdout)
}

/** Both purposes of a question have the same number, and both have to be fine. */
function readOpinions(output: string): Map<number, Opinion> {
  const opinions = new Map<number, Opinion>()
  let codes = new Set<string>()
  for (const line of output.split('\n')) {
    const error = /^error (\d+) at/.exec(line)
    if (error !== null) codes.add(error[1]!)
    const end = /^= (\d+) (\d+)$/.exec(line)
    if (end === null) continue
    if (end[2] !== '0' && codes.size === 0) codes.add('unreadable')
    const number = Number(end[1])
    for (const code of opinions.get(number)?.codes ?? []) codes.add(code)
    opinions.set(number, codes.size === 0 ? ACCEPTED : refused(...codes))
    codes = new Set()
  }
  return opinions
}

function missing(number: number): never {
  throw new Error(`openssl verify did not answer question ${number}`)
}

function toPem(certificates: readonly Uint8Array[]): string {
  return certificates
    .map((der) =>
      Buffer.from(der)
        .toString('base64')
        .replaceAll(/.{1,64}/g, '$&\n'),
    )
    .map((body) => `-----BEGIN CERTIFICATE-----\n${body}-----END CERTIFICATE-----\n`)
    .join('')
}
