import { readFileSync } from 'node:fs'
import { describe, expect, test } from '@jest/globals'

interface Manifest {
  readonly name: string
  readonly exports: Readonly<Record<string, unknown>>
  readonly bin?: unknown
  readonly dependencies?: Readonly<Record<string, string>>
  readonly peerDependencies?: Readonly<Record<string, string>>
  readonly peerDependenciesMeta?: Readonly<Record<string, { readonly optional: boolean }>>
}

const SCOPE = '@fastify-spiffe/'

function manifestOf(folder: string): Manifest {
  return JSON.parse(readFileSync(new URL(`../../${folder}/package.json`, import.meta.url), 'utf8'))
}

const own = manifestOf('fastify-spiffe')

/** What it brings, and what it hands on where a service has installed it. */
const sisters = Object.keys({ ...own.dependencies, ...own.peerDependencies })
  .filter((name) => name.startsWith(SCOPE))
  .map((name) => manifestOf(name.slice(SCOPE.length)))

/** What is nobody's to import, or of those who write engines and of sister packages alone. */
const PRIVATE = /^\.\/(?:internal|engine-kit)$|\.(?:json|proto)$/

/** Which modules a subpath of this package stands for. A package's own subpath needs no name of its package. */
function sourcesBySubpath(): ReadonlyMap<string, readonly string[]> {
  const sources = new Map<string, string[]>()
  for (const { name, exports } of sisters) {
    for (const key of Object.keys(exports).filter((path) => !PRIVATE.test(path))) {
      const subpath = key === '.' ? `./${name.slice(SCOPE.length)}` : key
      sources.set(subpath, [...(sources.get(subpath) ?? []), name + key.slice(1)])
    }
  }
  return sources
}

async function valuesOf(specifier: string): Promise<Record<string, unknown>> {
  return {
    ...(await import(specifier)),
  }
}

/** All packages that an installation brings, of those that this repository has. */
function installedWith(manifest: Manifest): readonly string[] {
  const names = Object.keys(manifest.dependencies ?? {})
  const packages = names.filter((name) => name.startsWith(SCOPE))
  return names.concat(
    packages.flatMap((name) => installedWith(manifestOf(name.slice(SCOPE.length)))),
  )
}

describe('the only package that a service installs', () => {
  test('has a subpath for each subpath of the packages that it consists of, and for each of these', () => {
    const subpaths = Object.keys(own.exports).filter((key) => key !== '.' && !key.endsWith('.json'))
    expect(subpaths.toSorted()).toEqual([...sourcesBySubpath().keys()].toSorted())
  })

  test.each([...sourcesBySubpath()])(
    'gives at %s what its sources give, and nothing else',
    async (subpath, sources) => {
      const given = await valuesOf(own.name + subpath.slice(1))
      const wanted = await Promise.all(sources.map(valuesOf))
      expect(Object.keys(given).length).toBeGreaterThan(0)
      expect(given).toEqual(Object.assign({}, ...wanted))
      for (const [name, value] of wanted.flatMap(Object.entries)) {
        expect(Object.is(given[name], value)).toBe(true)
      }
    },
  )

  test('exports in its root nothing that is not the same thing in a package that it consists of', async () => {
    const roots = await Promise.all(sisters.map(({ name }) => valuesOf(name)))
    const { default: plugin, fastifySpiffe, ...rest } = await valuesOf(own.name)
    expect(plugin).toBe(fastifySpiffe)
    for (const [name, value] of Object.entries(rest)) {
      expect([name, roots.some((root) => root[name] === value)]).toEqual([name, true])
    }
  })

  test('installs no authority, no library that issues certificates, and no command line', () => {
    const installed = installedWith(own)
    expect(installed).toContain('@fastify-spiffe/workload-api')
    for (const absent of ['authority', 'cli']) expect(installed).not.toContain(SCOPE + absent)
    expect(installed.filter((name) => /peculiar|reflect-metadata/.test(name))).toEqual([])
    expect(own.bin).toBeUndefined()
  })

  test('hands on to its packages each peer that they may ask for', () => {
    const given: Readonly<Record<string, string>> = { ...own.dependencies, ...own.peerDependencies }
    for (const { peerDependencies = {}, peerDependenciesMeta = {} } of sisters) {
      for (const [name, range] of Object.entries(peerDependencies)) {
        expect([name, given[name]]).toEqual([name, range])
        const isOptional = peerDependenciesMeta[name]?.optional === true
        const isPeer = name in (own.peerDependencies ?? {})
        if (isPeer) expect(own.peerDependenciesMeta?.[name]?.optional === true).toBe(isOptional)
      }
    }
  })
})
