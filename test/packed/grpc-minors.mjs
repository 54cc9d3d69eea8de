// The contract with @grpc/grpc-js: on the oldest version that the package takes, and on the newest that npm finds for it, each
// with clients of its own and with those of an older one that lies beside.
import { cpSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { folder, here, npmInstall, project, show, workspace } from './project.mjs'

const PACKAGES = ['spiffe', 'files', 'policy', 'tls', 'grpc', 'authority', 'workload-api']

/** The oldest whose clients README.md promises to take. */
const OLDEST_CLIENTS = '1.9.0'

/** The range of @grpc/grpc-js that the package declares, which is `^` and the oldest. */
function declaredRange() {
  const manifest = readFileSync(join(workspace, 'packages/grpc/package.json'), 'utf8')
  const range = JSON.parse(manifest).dependencies['@grpc/grpc-js']
  if (!/^\^\d+\.\d+\.\d+$/.test(range)) throw new Error(`${range} does not begin with the oldest`)
  return range
}

function checkOn(name, version, tarballs) {
  // One version for all: the packages beside it may ask for a later one.
  const path = project(name, { overrides: { '@grpc/grpc-js': '$@grpc/grpc-js' } })
  const files = PACKAGES.map((it) => join(folder, tarballs.get(`@fastify-spiffe/${it}`)))
  const clients = `grpc-clients@npm:@grpc/grpc-js@${OLDEST_CLIENTS}`
  npmInstall(path, [`@grpc/grpc-js@${version}`, clients, ...files])
  cpSync(join(here, 'service/grpc-contract.mjs'), join(path, 'contract.mjs'))
  show(process.execPath, ['contract.mjs'], path)
  show(process.execPath, ['contract.mjs'], path, { CLIENTS: 'grpc-clients' })
}

export function checkGrpcMinors(tarballs) {
  const range = declaredRange()
  checkOn('grpc-oldest', range.slice(1), tarballs)
  checkOn('grpc-newest', range, tarballs)
}
