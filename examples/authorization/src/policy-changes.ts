import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { readFile, rename, writeFile } from 'node:fs/promises'
import type { PolicyDocument } from 'fastify-spiffe'

export async function readPolicy(file: string): Promise<PolicyDocument> {
  return JSON.parse(await readFile(file, 'utf8'))
}

/** Puts a document in the place of the file, whole, and waits until the service has taken or refused it. */
export async function deploy(file: string, policy: PolicyDocument): Promise<unknown> {
  const changed = nextEvent('spiffe:authz:policy')
  await writeFile(`${file}.new`, JSON.stringify(policy))
  await rename(`${file}.new`, file)
  return changed
}

function nextEvent(channel: string): Promise<unknown> {
  return new Promise((resolve) => {
    const listener = (event: unknown): void => {
      unsubscribe(channel, listener)
      resolve(event)
    }
    subscribe(channel, listener)
  })
}

/** The same document, in which the Rego has to agree as well. */
export function withRego({ policies = {}, ...policy }: PolicyDocument): PolicyDocument {
  return {
    ...policy,
    version: `${policy.version}+rego`,
    policies: Object.fromEntries(
      Object.entries(policies).map(([name, rule]) => [name, { ...rule, engines: ['rego'] }]),
    ),
  }
}
