import { X509Source } from 'fastify-spiffe'
import { Service } from './service.ts'

// A service in a process of its own, whose clock can be set. It says where it listens, and each state.
const source = await X509Source.open()
const service = await Service.start(source)
const say = (line: string): void => void process.stdout.write(`${line}\n`)
say(`port ${service.port}`)
let state = source.state
say(state)
source.onUpdate(() => {
  if (source.state === state) return
  state = source.state
  say(state)
})
