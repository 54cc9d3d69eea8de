import { Authority, generateKeyPair, mintRootCa } from '@fastify-spiffe/authority'
import { authz, protect } from '@fastify-spiffe/authz'
import { authzen } from '@fastify-spiffe/policy/authzen'
import { cedar } from '@fastify-spiffe/engine-cedar'
import { cerbos } from '@fastify-spiffe/policy/cerbos'
import { DeviceList, deviceTrust } from '@fastify-spiffe/policy/devices'
import { extAuthz } from '@fastify-spiffe/engine-ext-authz'
import { GrpcServer, SvidChannel } from '@fastify-spiffe/grpc'
import { health } from '@fastify-spiffe/health'
import { opa } from '@fastify-spiffe/policy/opa'
import { opaWasm } from '@fastify-spiffe/engine-opa-wasm'
import { redisBus } from '@fastify-spiffe/policy/redis'
import { peer } from '@fastify-spiffe/peer'
import * as spiffe from '@fastify-spiffe/spiffe'
import { parseJson } from '@fastify-spiffe/spiffe/internal'
import { spiffeServer, svid } from '@fastify-spiffe/svid'
import { connect, createSvidServer, createSvidTlsServer, SvidAgent } from '@fastify-spiffe/tls'
import { parseEndpointAddress, WorkloadApiClient, X509Source } from '@fastify-spiffe/workload-api'
import Fastify, { type FastifyInstance } from 'fastify'
import { fastifySpiffe } from 'fastify-spiffe'
import { bundleTakers } from './bundle-takers.ts'
import { BUNDLE_READERS, JWT_TAKERS } from './token-takers.ts'
import { AGENT, ENDPOINT, ENGINE, HTTP_LAYER, LIST, POOL, SERVER } from './option-names.ts'

type Options = Record<string, unknown>
/** Takes options of any kind, as JavaScript can. */
type Make = (options: never) => unknown

const authority = await Authority.create({ trustDomain: 'example.org' })
const source = await authority.source('spiffe://example.org/acme/orders')

/** Closes what those who take options have to work with. */
export async function closeTakers(): Promise<void> {
  await source.close()
  await authority.close()
}

const WEB = 'spiffe://example.org/acme/web'
const MANY = (...names: readonly string[]): readonly string[] => [...names, 'unknownOption']

async function boot(use: (app: FastifyInstance) => unknown): Promise<void> {
  const app = Fastify()
  try {
    await use(app)
    await app.ready()
  } finally {
    await app.close()
  }
}

const withAuthz = (options: unknown): Promise<void> =>
  boot(async (app) => {
    await app.register(peer)
    await app.register(authz, options as object)
    app.get('/', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
  })

const withRule = (rule: unknown): Promise<void> =>
  boot(async (app) => {
    await app.register(peer)
    await app.register(authz, {
      tenant: '/{tenant}/{workload}',
      tenants: { trustDomain: 'example.org' },
    })
    app.get('/:id', { config: { spiffe: rule as object } }, () => 'in')
  })

const reload = (document: unknown): Promise<void> =>
  boot(async (app) => {
    await app.register(peer)
    await app.register(authz)
    app.get('/', { config: { spiffe: { allow: [WEB] } } }, () => 'in')
    await app.ready()
    await app.authz.reload(document as object)
  })

const withGrpc = async (options: object): Promise<void> => {
  const opened = await GrpcServer.open({ source, ...options })
  await opened.close()
}

const withChannel = (options: ConstructorParameters<typeof SvidChannel>[0]): void =>
  new SvidChannel(options).close()

const HTTP = { url: 'http://127.0.0.1:1' }
const server = spiffe.matchAny()

/** Who takes options, by name: what is good, and the options to put a canary in. */
export const TAKERS: readonly (readonly [string, Make, Options, readonly string[]])[] = [
  ['authz', withAuthz, {}, MANY('tenant', 'tenants', 'notFound', 'policy', 'attributes')],
  ['authz', withAuthz, {}, MANY('networks', 'trustedProxies', 'engines', 'cache', 'replicas')],
  ['authz', withAuthz, {}, MANY('decisionLog', 'staleHeader', 'timeoutMs', 'clock')],
  ['authz', withAuthz, {}, MANY('policyVersion', 'random')],
  [
    'authz tenants',
    (tenants) => withAuthz({ tenant: '/{tenant}/{w}', tenants }),
    {},
    MANY('trustDomain', 'foreign', 'mismatchStatus', 'maxInFlight', 'maxEvaluationsPerSecond'),
  ],
  ['authz cache', (cache) => withAuthz({ cache }), {}, MANY('maxTenants', 'allowTtlMs')],
  ['authz policy', (policy) => withAuthz({ policy }), {}, MANY('file', 'watch', 'version')],
  ['authz policy', (policy) => withAuthz({ policy }), {}, ['roles', 'policies', 'routes']],
  ['authz policy', (policy) => withAuthz({ policy }), {}, ['prefixes', 'tests']],
  ['authz reload', reload, {}, MANY('version', 'roles', 'policies', 'routes', 'prefixes', 'tests')],
  ['authz replicas', (replicas) => withAuthz({ replicas }), {}, MANY('bus', 'secret')],
  [
    'authz decisionLog',
    (decisionLog) => withAuthz({ decisionLog }),
    { write: () => undefined },
    MANY('write', 'allowSampleRate', 'mask', 'labels', 'flushMs', 'maxBatch', 'maxWaiting'),
  ],
  ['a rule', withRule, {}, LIST],
  ['a rule', withRule, { allow: [WEB] }, MANY(...LIST, 'mode')],
  ['a condition', (where) => withRule({ allow: [WEB], where }), {}, ['check', 'reads', 'equals']],
  [
    'a comparison',
    (where) => withRule({ allow: [WEB], where }),
    { attribute: 'params.id' },
    ['attribute', 'equals', 'in', 'present', 'all', 'any', 'not', 'unknownOption'],
  ],
  ['a matcher', (matcher) => withRule({ allow: [matcher] }), {}, ['memberOf', 'oneOf', 'and']],
  ['a matcher', (matcher) => withRule({ allow: [matcher] }), {}, ['or', 'not', 'unknownOption']],
  ['opa', opa, { ...HTTP, path: 'a/b' }, MANY(...ENDPOINT, ...ENGINE, 'path', 'input')],
  ['authzen', authzen, HTTP, MANY(...ENDPOINT, ...ENGINE, 'evaluation')],
  ['cerbos', cerbos, HTTP, MANY(...ENDPOINT, 'roles', 'resource', 'action')],
  ['ext-authz', extAuthz, { target: '127.0.0.1:1' }, MANY('target', 'credentials')],
  ['ext-authz far', extAuthz, { target: 'h:1' }, MANY('target', 'credentials')],
  ['opa-wasm', opaWasm, {}, MANY('wasm', 'entrypoint', 'data', 'input', 'builtins')],
  ['cedar', cedar, { policies: 'permit(principal, action, resource);' }, ['policies']],
  ['cedar', cedar, { policies: 'permit(principal, action, resource);' }, ['schema']],
  ['cedar', cedar, { policies: 'x' }, MANY('request', 'entities', 'v8CrashGuard')],
  ['registered engines', (engine) => withAuthz({ engines: [engine] }), {}, MANY(...ENGINE, 'cost')],
  ...JWT_TAKERS,
  ...bundleTakers(source),
  ['deviceTrust', deviceTrust, {}, MANY('secret', 'trusted', 'blocked', 'header')],
  [
    'DeviceList',
    (options) => new DeviceList([], options),
    {},
    MANY('maxExact', 'falsePositiveRate', 'confirm'),
  ],
  ['redisBus', redisBus, {}, MANY('client', 'prefix')],
  [
    'peer',
    (options) => boot((app) => app.register(peer, options)),
    {},
    MANY('logSpiffeId', 'clock'),
  ],
  [
    'svid',
    (options) => boot((app) => app.register(svid, options)),
    {},
    MANY('source', 'closeSource'),
  ],
  [
    'health',
    (options) => boot((app) => app.register(health, options)),
    { source, port: 0 },
    MANY('port', 'source', 'checks', 'metrics', 'drainMs', 'endOn', 'clock'),
  ],
  ['spiffeServer', (options) => Fastify(spiffeServer(source, options)), {}, MANY(...SERVER)],
  [
    'GrpcServer',
    withGrpc,
    {},
    MANY('source', 'tls', 'grpc', 'health', 'chains', 'log', 'notFound'),
  ],
  [
    'SvidChannel',
    (options) => withChannel(options),
    { target: 'a:1', source, server },
    MANY('target', 'source', 'server', 'minVersion', 'chainHeaders', 'graceMs', 'grpc', 'clock'),
  ],
  [
    'GrpcServer tls',
    (tls) => withGrpc({ tls }),
    {},
    MANY('minVersion', 'alpnProtocols', 'graceMs'),
  ],
  [
    'fastify-spiffe',
    (options) => boot((app) => app.register(fastifySpiffe, options)),
    { source },
    MANY('source', 'closeSource', 'logSpiffeId', 'tenant'),
  ],
  [
    'createSvidServer',
    (options) => createSvidServer(source, options, () => undefined),
    {},
    MANY(...SERVER),
  ],
  [
    'the HTTP layer',
    (http) => createSvidServer(source, { http }, () => undefined),
    {},
    MANY(...HTTP_LAYER, 'requestTimeout', 'connectionsCheckingInterval'),
  ],
  [
    'the HTTP/2 layer',
    (http) => createSvidServer(source, { http, http2: true }, () => undefined),
    {},
    MANY(...HTTP_LAYER, 'paddingStrategy', 'maxSettings', 'unknownProtocolTimeout'),
  ],
  [
    'createSvidTlsServer',
    (options) => createSvidTlsServer(source, options, () => undefined),
    {},
    MANY(...SERVER),
  ],
  ['SvidAgent', (options) => new SvidAgent(options), { source, server }, MANY(...AGENT, ...POOL)],
  [
    'connect',
    connect,
    { source, server, host: '127.0.0.1', port: 1 },
    // A text that can be a host name is looked up, and said to be unknown.
    MANY(...AGENT, 'port', 'servername', 'lookup', 'localAddress', 'family'),
  ],
  [
    'X509Source',
    (options) => X509Source.open(options),
    { timeoutMs: 50 },
    MANY('address', 'pick', 'backoff'),
  ],
  [
    'WorkloadApiClient',
    (options) => new WorkloadApiClient(options),
    {},
    MANY('address', 'backoff'),
  ],
  [
    'Authority',
    (options) => Authority.create(options),
    { trustDomain: 'example.org', keyType: 'ec-p256' },
    MANY('trustDomain', 'svidTtlMs', 'authorityTtlMs', 'keyType', 'intermediates'),
  ],
  [
    'authority.serve',
    (options) => authority.serve(options),
    {},
    MANY('spiffeId', 'identities', 'tcpPort'),
  ],
  [
    'authority.serve',
    (options) => authority.serve(options),
    { spiffeId: WEB },
    ['socketPath', 'template'],
  ],
  ['mintRootCa', mintRootCa, { trustDomain: 'example.org' }, MANY('trustDomain')],
]

const domain = spiffe.TrustDomain.parse('example.org')

/** Who takes a value by itself. */
export const READERS: readonly (readonly [string, Make])[] = [
  ['SpiffeId.parse', (options) => spiffe.SpiffeId.parse(options)],
  ['SpiffeId.of', (options) => spiffe.SpiffeId.of(options)],
  ['SpiffeId.of, a segment', (options) => spiffe.SpiffeId.of('example.org', options)],
  ['TrustDomain.parse', (options) => spiffe.TrustDomain.parse(options)],
  ['matchPattern', spiffe.matchPattern],
  ['parseMatcher', spiffe.parseMatcher],
  ['pathTemplate', spiffe.pathTemplate],
  ['matchId', spiffe.matchId],
  ['matchOneOf', spiffe.matchOneOf],
  ['matchMemberOf', spiffe.matchMemberOf],
  ['allOf', spiffe.allOf],
  ['not', spiffe.not],
  ['RevocationPolicies.of', (options) => spiffe.RevocationPolicies.of(options)],
  ['X509Bundle.fromPem', (options) => spiffe.X509Bundle.fromPem(domain, options)],
  ['X509Bundle.fromDer', (options) => spiffe.X509Bundle.fromDer(domain, options)],
  [
    'X509Svid.fromPem',
    (options) => spiffe.X509Svid.fromPem({ certificates: options, privateKey: options }),
  ],
  [
    'X509Svid.fromDer',
    (options) => spiffe.X509Svid.fromDer({ certificates: options, privateKey: options }),
  ],
  ...BUNDLE_READERS,
  ['RevocationList.fromPem', (options) => spiffe.RevocationList.fromPem(options)],
  ['RevocationList.fromDer', (options) => spiffe.RevocationList.fromDer(options)],
  ['splitCertificates', (options) => spiffe.splitCertificates(options)],
  ['parseJson', parseJson],
  ['parseEndpointAddress', parseEndpointAddress],
  ['generateKeyPair', generateKeyPair],
  ['a whole rule', withRule],
  ['protect', (rule) => boot((app) => app.register(async (inner) => protect(inner, rule)))],
  ['a whole document', reload],
  ['a device list', (devices) => new DeviceList(devices, { maxExact: 0 })],
  ['deviceTrust, as a whole', deviceTrust],
  ['authority.sign', (options) => authority.source(options)],
]
