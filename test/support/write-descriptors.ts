import { writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { descriptorOf, DESCRIPTORS, root } from './descriptors.ts'

for (const descriptor of DESCRIPTORS) {
  const text = `// Generated from ${basename(descriptor.proto)} by \`pnpm generate\`; a test compares the two.

export const DESCRIPTOR: { readonly nested: Readonly<Record<string, object>> } = ${JSON.stringify(descriptorOf(descriptor))}
`
  writeFileSync(join(root, `${descriptor.module}.ts`), text)
}
