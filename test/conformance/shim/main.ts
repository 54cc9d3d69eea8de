import { Federation } from '@fastify-spiffe/federation'
import { withFallbackBundles } from '@fastify-spiffe/spiffe'
import { X509Source } from '@fastify-spiffe/workload-api'
import { Jwt } from './jwt.ts'
import { openControlPort } from './control-port.ts'
import { openParts } from './parts.ts'
import { SwitchedSource } from './switched-source.ts'
import { openX509Port } from './x509-port.ts'

// No address, no options: discovery, retry and validation are the library's, and so is what it throws.
const workload = await X509Source.open()
const federation = await Federation.open({ source: workload })
const source = new SwitchedSource(withFallbackBundles(workload, federation))
const jwt = new Jwt(federation)
const x509Port = await openX509Port(source)
const controlPort = await openControlPort({ source, federation, jwt })
const partLines = await openParts(source, jwt)

process.stdout.write(
  [
    'SPIFFE_HARNESS_VERSION=1',
    `SPIFFE_X509_PORT=${x509Port}`,
    `SPIFFE_CONTROL_PORT=${controlPort}`,
    ...partLines,
    'READY',
    '',
  ].join('\n'),
)
