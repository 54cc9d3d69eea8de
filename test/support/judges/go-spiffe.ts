import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { join } from 'node:path'
import { goPrograms, type GoModule } from '../go-programs.ts'
import { ACCEPTED, refused, type Judge, type Opinion, type Question } from './judge.ts'

const MODULE: GoModule = {
  folder: fileURLToPath(new URL('../../../interop/go-verifier/', import.meta.url)),
  name: 'go-verifier',
  programs: new Map([['go-verifier', '.']]),
  sources: ['go.mod', 'go.sum', 'main.go'],
  patience: 'half a minute, once',
}

/**
 * go-spiffe's `x509svid.Verify` on Go's `crypto/x509`, in a process that lives as long as the judge. Its codes are the
 * reasons of `crypto/x509`, or `go-spiffe` for a rule of go-spiffe's own.
 * @throws Error when there is no Go to build it
 */
export async function goSpiffe(): Promise<Judge<'go-spiffe'>> {
  const program = join(await goPrograms(MODULE), 'go-verifier')
  const child = spawn(program, { stdio: ['pipe', 'pipe', 'inherit'] })
  const ended = once(child, 'close')
  const answers = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  return {
    name: 'go-spiffe',
    async judge(questions) {
      const opinions: Opinion[] = []
      for (const batch of batches(questions)) {
        child.stdin.write(batch.map(toLine).join(''))
        for (const _ of batch) opinions.push(await nextOpinion(answers))
      }
      return opinions
    },
    async [Symbol.asyncDispose]() {
      child.stdin.end()
      await ended
    },
  }
}

const BATCH = 100

function* batches(questions: readonly Question[]): Generator<readonly Question[]> {
  for (let at = 0; at < questions.length; at += BATCH) yield questions.slice(at, at + BATCH)
}

function toLine({ chain, bundles, now }: Question): string {
  const question = {
    chain: chain.map(base64),
    bundles: Object.fromEntries([...bundles].map(([name, ders]) => [name, ders.map(base64)])),
    now,
  }
  return `${JSON.stringify(question)}\n`
}

async function nextOpinion(answers: AsyncIterator<string>): Promise<Opinion> {
  const { value, done } = await answers.next()
  if (done === true) throw new Error('go-verifier ended before it had answered')
  const answer: unknown = JSON.parse(value)
  if (isAnswer(answer)) return answer.accepted ? ACCEPTED : refused(answer.code ?? 'unknown')
  throw new Error(`go-verifier answered ${value}`)
}

function isAnswer(value: unknown): value is { accepted: boolean; code?: string } {
  return typeof value === 'object' && value !== null && 'accepted' in value
}

function base64(der: Uint8Array): string {
  return Buffer.from(der).toString('base64')
}
