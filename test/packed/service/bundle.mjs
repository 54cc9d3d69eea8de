// Bundles orders.mjs with each bundler, as each says that a service is bundled. Run in the project, which has them.
import { mkdirSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import commonjs from '@rollup/plugin-commonjs'
import json from '@rollup/plugin-json'
import nodeResolve from '@rollup/plugin-node-resolve'
import ncc from '@vercel/ncc'
import esbuild from 'esbuild'
import { rollup } from 'rollup'
import webpack from 'webpack'

const entry = fileURLToPath(new URL('orders.mjs', import.meta.url))
const out = fileURLToPath(new URL('bundles/', import.meta.url))
mkdirSync(`${out}ncc`, { recursive: true })

// Fastify and gRPC are CommonJS: in an ES module, what they require of Node needs a `require`.
const banner = {
  js: "import { createRequire } from 'node:module'; const require = createRequire(import.meta.url);",
}

const withEsbuild = (outfile, options) =>
  esbuild.build({
    entryPoints: [entry],
    bundle: true,
    platform: 'node',
    outfile: out + outfile,
    logLevel: 'error',
    ...options,
  })

const withWebpack = (output, experiments = {}) =>
  new Promise((resolve, reject) => {
    // Not minified: that takes half a minute, and esbuild has done it.
    const options = { mode: 'development', devtool: false, target: 'node', entry, experiments }
    webpack({ ...options, output: { path: out, ...output } }, (error, stats) => {
      if (error !== null) reject(error)
      else if (stats.hasErrors()) reject(new Error(stats.toString({ all: false, errors: true })))
      else resolve()
    })
  })

async function withRollup() {
  const bundle = await rollup({
    input: entry,
    plugins: [
      nodeResolve({ preferBuiltins: true }),
      commonjs({ ignoreDynamicRequires: true }),
      json(),
    ],
    onwarn() {},
  })
  for (const [file, format] of [
    ['rollup.mjs', 'es'],
    ['rollup.cjs', 'cjs'],
  ]) {
    await bundle.write({ file: out + file, format, inlineDynamicImports: true })
  }
  await bundle.close()
}

async function withNcc() {
  const { code } = await ncc(entry, { cache: false, quiet: true })
  writeFileSync(`${out}ncc/index.mjs`, code)
}

const timed = async (name, work) => {
  const begin = performance.now()
  await work()
  process.stdout.write(`  ${name}: ${((performance.now() - begin) / 1000).toFixed(1)} s\n`)
}

await timed('esbuild', async () => {
  await withEsbuild('esbuild.mjs', { format: 'esm', banner })
  await withEsbuild('esbuild.cjs', { format: 'cjs' })
  await withEsbuild('esbuild.min.mjs', { format: 'esm', banner, minify: true })
})
await timed('rollup', withRollup)
await timed('webpack', async () => {
  await withWebpack({ filename: 'webpack.cjs' })
  const module = { module: true, chunkFormat: 'module', library: { type: 'module' } }
  await withWebpack({ filename: 'webpack.mjs', ...module }, { outputModule: true })
})
await timed('ncc', withNcc)
