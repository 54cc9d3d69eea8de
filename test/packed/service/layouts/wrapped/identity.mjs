// Wrapped with fastify-plugin: it holds for the whole application.
import { fastifyPlugin } from 'fastify-plugin'
import fastifySpiffe from 'fastify-spiffe'

export default fastifyPlugin(async (app, { source }) => {
  await app.register(fastifySpiffe, { source, closeSource: true })
})
