import type { BlockList } from 'node:net'
import { FASTIFY_OPTION_NAMES } from '@fastify-spiffe/plugin-kit'
import type {
  AttributeProvider as PolicyAttributeProvider,
  PolicyOptions,
  TenantsOptions as PolicyTenantsOptions,
} from '@fastify-spiffe/policy'
import {
  type PolicySettings,
  readPolicyOptions,
  readTrustedProxies,
  refuse,
} from '@fastify-spiffe/policy/internal'
import type { FastifyRequest } from 'fastify'
import { ATTRIBUTES } from './call/reader.ts'

/** Brings a group of attributes that requests do not carry by themselves, such as the claims of a token. */
export type AttributeProvider = PolicyAttributeProvider<FastifyRequest>

/** How tenants are kept apart. */
export interface TenantsOptions extends PolicyTenantsOptions {
  /**
   * The answer for a caller that asks for the data of another tenant; 404 hides that it exists.
   * Default 403.
   */
  readonly mismatchStatus?: 403 | 404
}

/** What the plugin is registered with. Every option has a default. */
export interface AuthzOptions extends PolicyOptions<FastifyRequest> {
  /** How tenants are kept apart. Default: that of each of its options. */
  readonly tenants?: TenantsOptions
  /** Addresses and networks of proxies whose `X-Forwarded-For` is believed. Default: none is. */
  readonly trustedProxies?: readonly string[]
  /**
   * A response header that names the engine whose last decision was used because it failed to
   * decide. It shows callers an outage. Default: none.
   */
  readonly staleHeader?: string
}

/** The options, checked and complete. */
export interface Settings {
  readonly policy: PolicySettings
  readonly trustedProxies: BlockList | null
  readonly staleHeader: string | null
  readonly mismatchStatus: 403 | 404
}

/** What the plugin has beside the options of the policy, and what Fastify itself takes. */
const NAMES = ['trustedProxies', 'staleHeader', ...FASTIFY_OPTION_NAMES]

/**
 * Checks the options and fills in the defaults.
 *
 * @throws {PolicyError} `unknown-option`, `invalid-option`
 */
export function readOptions(options: AuthzOptions): Settings {
  const ofAdapter = { names: NAMES, ofTenants: ['mismatchStatus'] }
  return {
    policy: readPolicyOptions(options, ATTRIBUTES, ofAdapter),
    trustedProxies: readTrustedProxies(options.trustedProxies),
    staleHeader: readHeader(options.staleHeader),
    mismatchStatus: readStatus(options.tenants?.mismatchStatus),
  }
}

function readHeader(name: string | undefined): string | null {
  if (name === undefined) return null
  const isName = typeof name === 'string' && /^[a-z0-9-]{1,100}$/.test(name)
  return isName ? name : refuse('staleHeader', name, 'must be a header name in lower case')
}

function readStatus(status: unknown = 403): 403 | 404 {
  if (status === 403 || status === 404) return status
  return refuse('tenants.mismatchStatus', status, 'must be 403 or 404')
}
