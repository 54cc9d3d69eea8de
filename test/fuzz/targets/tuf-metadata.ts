import { isDeepStrictEqual } from 'node:util'
import { TufError } from '@fastify-spiffe/tuf-source'
import {
  findTarget,
  refreshMetadata,
  SigningKey,
  signMetadata,
  type MetadataFiles,
} from '@fastify-spiffe/tuf-source/internal'
import * as fc from 'fast-check'
import { edited, edits, type Edit } from '../support/mutation.ts'
import { codeOf } from '../support/own-error.ts'
import { ACCEPTED, check, type Target } from '../support/target.ts'
import { jsonFault } from './json.ts'

const NOW = Date.parse('2026-11-30T12:00:00Z')
const EXPIRES = '2027-01-01T00:00:00Z'
const ROLES = ['root', 'timestamp', 'snapshot', 'targets'] as const
type Role = (typeof ROLES)[number]
type Members = Record<string, unknown>

/** Metadata of a repository in which one role is changed: as its thief signs it, and on the way. */
interface Input {
  readonly role: Role
  /** What a thief of the role's key writes in the place of members, by path. */
  readonly members: readonly (readonly [string, unknown])[]
  /** What happens to the octets on the way. */
  readonly edits: readonly Edit[]
}

const PATHS = [
  '_type',
  'spec_version',
  'version',
  'expires',
  'consistent_snapshot',
  'keys',
  'roles',
  'roles.root',
  'roles.timestamp.threshold',
  'roles.timestamp.keyids',
  'meta',
  'meta.snapshot.json.version',
  'meta.targets.json.version',
  'meta.targets.json.length',
  'meta.snapshot.json.hashes',
  'targets',
  'targets.a.length',
  'targets.a.hashes',
  'targets.constructor',
  'delegations',
  'delegations.roles',
  'toString',
]
const VALUES: readonly unknown[] = [
  null,
  true,
  '',
  'x',
  0,
  1,
  2,
  3,
  -1,
  2 ** 53 - 1,
  [],
  {},
  [null],
  [[]],
  'timestamp',
  'targets',
  '1.1',
  '2.0',
  '1',
  EXPIRES,
  '2026-01-01',
  '2027-01-01T00:00:00',
  '9999-12-31T23:59:59Z',
  '2027-13-01T00:00:00Z',
  { sha256: '0'.repeat(64) },
  { keyids: ['a', 'a'], threshold: 1 },
  { keys: {}, roles: [{ name: '__proto__', keyids: [], threshold: 0, terminating: true }] },
  { keys: {}, roles: [{ name: 'x', keyids: [], threshold: 0, terminating: true, paths: ['*'] }] },
  { keys: {}, succinct_roles: { keyids: [], threshold: 1, bit_length: 32, name_prefix: 'b' } },
  { keys: {}, succinct_roles: { keyids: [], threshold: 1, bit_length: 1e9, name_prefix: '' } },
]

const inputs: fc.Arbitrary<Input> = fc.record({
  role: fc.constantFrom(...ROLES),
  members: fc.array(fc.tuple(fc.constantFrom(...PATHS), fc.constantFrom(...VALUES)), {
    maxLength: 3,
  }),
  edits: fc.oneof({ weight: 2, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: edits }),
})

/** TUF metadata, changed or forged, through a whole refresh. */
export function openTufMetadata(): Target<Input> {
  const keys = new Map(ROLES.map((role) => [role, SigningKey.generate()]))
  const originals = originalsOf(keys)
  const first = Buffer.from(signMetadata(originals.root, [keys.get('root')!]))
  return {
    inputs,
    async read(input) {
      const { texts, forged } = publish(originals, keys, input)
      const files: MetadataFiles = new Map([['root', first]])
      const url = new URL('http://repository.invalid/')
      const fetch = async (file: URL): Promise<Buffer | null> =>
        texts.get(roleOf(file.pathname, files)) ?? null
      try {
        const set = await refreshMetadata({ files, url, fetch, now: NOW })
        const target = await findTarget(set, 'a', { files, url, fetch })
        check(target === null || target.length >= 0, 'a target has a negative length')
        checkAccepted(texts.get(input.role), forged, files.get(input.role))
        return ACCEPTED
      } catch (error) {
        return codeOf(error, TufError)
      }
    },
    bytesOf: (input) => Buffer.from(JSON.stringify(input)),
    [Symbol.asyncDispose]: () => Promise.resolve(),
  }
}

/** What was taken is what the key has signed, and everybody reads it alike. */
function checkAccepted(sent: Buffer | undefined, signed: Members, taken: Buffer | undefined): void {
  if (taken === undefined || sent === undefined || !taken.equals(sent)) return
  const text = taken.toString('utf8')
  check(jsonFault(text) === null, `it is taken, and has ${jsonFault(text) ?? ''}`)
  const document = JSON.parse(text) as { readonly signed: Members }
  check(isDeepStrictEqual(document.signed, signed), 'what is taken was not signed')
  check(Number.isSafeInteger(signed['version']), 'its version cannot be counted')
  check(String(signed['expires']).endsWith('Z'), 'its expiry has no zone')
}

function originalsOf(keys: ReadonlyMap<Role, SigningKey>): Readonly<Record<Role, Members>> {
  const part = (role: Role): Members => ({
    _type: role,
    spec_version: '1.0.31',
    version: 1,
    expires: EXPIRES,
  })
  const entries = Array.from(keys, ([role, key]) => [role, { keyids: [key.id], threshold: 1 }])
  return {
    root: {
      ...part('root'),
      consistent_snapshot: true,
      keys: Object.fromEntries(Array.from(keys.values(), ({ id, entry }) => [id, entry])),
      roles: Object.fromEntries(entries),
    },
    timestamp: { ...part('timestamp'), meta: { 'snapshot.json': { version: 1 } } },
    snapshot: { ...part('snapshot'), meta: { 'targets.json': { version: 1 } } },
    targets: {
      ...part('targets'),
      targets: { a: { length: 1, hashes: { sha256: '0'.repeat(64) } } },
    },
  }
}

function publish(
  originals: Readonly<Record<Role, Members>>,
  keys: ReadonlyMap<Role, SigningKey>,
  { role, members, edits: changes }: Input,
): { readonly texts: ReadonlyMap<Role, Buffer>; readonly forged: Members } {
  const texts = new Map<Role, Buffer>()
  let forged: Members = {}
  for (const each of ROLES) {
    const signed = structuredClone(originals[each])
    if (each === 'root') signed['version'] = 2
    if (each === role) {
      for (const [path, value] of members) put(signed, path, value)
      forged = signed
    }
    const text = Buffer.from(signMetadata(signed, [keys.get(each)!]))
    texts.set(each, each === role ? edited(text, changes) : text)
  }
  return { texts, forged }
}

/** Writes a value at a path, whose last parts may be the name of a file. */
function put(signed: Members, path: string, value: unknown): void {
  const names = path.replace(/\.json/, '\0json').split('.')
  const [last = '', ...before] = names.map((name) => name.replace('\0', '.')).toReversed()
  let place: unknown = signed
  for (const name of before.toReversed()) {
    if (!isMembers(place) || !Object.hasOwn(place, name)) return
    place = place[name]
  }
  if (isMembers(place)) place[last] = structuredClone(value)
}

function isMembers(value: unknown): value is Members {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** Which role a URL asks for: of roots only the second, as long as it is not known. */
function roleOf(path: string, files: MetadataFiles): Role {
  if (path === '/2.root.json' && files.size === 1) return 'root'
  const found = ROLES.find((role) => role !== 'root' && path.endsWith(`${role}.json`))
  return found ?? ('none' as Role)
}
