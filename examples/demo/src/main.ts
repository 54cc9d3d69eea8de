import { parseArgs } from 'node:util'
import { tellAgentStory } from './agent-story.ts'
import { tellEmbeddedStory } from './embedded-story.ts'
import { serve } from './serve.ts'
import { bad, chapter } from './terminal.ts'

const usage = `Usage: pnpm demo [--socket ADDRESS]
       pnpm demo --serve --directory DIR [--port 8443]

  --socket ADDRESS   tell the story on this agent (default: SPIFFE_ENDPOINT_SOCKET);
                     without either, on an embedded authority
  --serve            keep a service up, with the SVID of an allowed caller in DIR`

async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      socket: { type: 'string', default: process.env['SPIFFE_ENDPOINT_SOCKET'] ?? '' },
      serve: { type: 'boolean', default: false },
      port: { type: 'string', default: '8443' },
      directory: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  })
  if (values.help) {
    console.log(usage)
  } else if (values.serve) {
    if (values.directory === undefined) throw new TypeError('--serve needs --directory')
    await serve({ port: Number(values.port), directory: values.directory })
  } else if (values.socket === '') {
    await tellEmbeddedStory()
    chapter('That is all. README.md says how to use it')
  } else {
    await tellAgentStory(values.socket)
  }
}

try {
  await main()
} catch (error) {
  bad(error instanceof Error ? `${error.name}: ${error.message}` : String(error))
  if (error instanceof TypeError) console.error(usage)
  process.exitCode = 1
}
