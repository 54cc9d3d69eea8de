import { subscribe } from 'node:diagnostics_channel'
import { refuseUnenforcedRules } from '@fastify-spiffe/plugin-kit'
import type { FastifyInstance } from 'fastify'
import { SvidPluginError } from '../errors.ts'

const servers = new WeakSet<object>()

/**
 * Makes `ready()` of the application of a server fail when routes have a rule (`config.spiffe`) and
 * nothing enforces it, whichever plugins are registered, and wherever.
 */
export function refuseUnenforcedRulesOn(server: object): void {
  servers.add(server)
}

// Fastify's documented way to an application before its first route: all instances inherit its hooks.
subscribe('fastify.initialization', (message) => {
  if (!isInitialization(message) || !servers.has(message.fastify.server)) return
  refuseUnenforcedRules([message.fastify], unenforcedRules)
})

function isInitialization(message: unknown): message is { readonly fastify: FastifyInstance } {
  return typeof message === 'object' && message !== null && 'fastify' in message
}

function unenforcedRules(routes: string): SvidPluginError {
  const message =
    'routes with a rule (`config.spiffe`) that nothing enforces: register @fastify-spiffe/peer and ' +
    `@fastify-spiffe/authz on the outermost instance, before them:${routes}`
  return new SvidPluginError('unenforced-rules', message)
}
