import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { fromJSON, loadSync, type PackageDefinition } from '@grpc/proto-loader'
import { describe, expect, test } from '@jest/globals'
import { descriptorOf, DESCRIPTORS, root } from '../support/descriptors.ts'

/** The services by name, with each method's parts that hold no functions. */
const servicesOf = (definition: PackageDefinition): unknown =>
  JSON.parse(JSON.stringify(Object.entries(definition).filter(([, part]) => !('format' in part))))

describe.each(DESCRIPTORS)('$module', (descriptor) => {
  const file = join(root, `${descriptor.module.replace('/src/', '/dist/')}.js`)

  const carried = async () => {
    const { DESCRIPTOR }: { DESCRIPTOR: Parameters<typeof fromJSON>[0] } = await import(
      pathToFileURL(file).href
    )
    return DESCRIPTOR
  }

  test('says what its .proto says; `pnpm generate` writes it anew', async () => {
    expect(await carried()).toEqual(descriptorOf(descriptor))
  })

  test('defines the services that gRPC reads in the .proto', async () => {
    const { proto, keepCase } = descriptor
    const read = loadSync(join(root, proto), { keepCase })
    expect(servicesOf(fromJSON(await carried(), {}))).toEqual(servicesOf(read))
  })
})
