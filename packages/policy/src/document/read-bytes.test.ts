import { mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from '@jest/globals'
import { readBytes } from './read-bytes.ts'

test('a file is read whole or not at all, since half of the policies are others', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'read-bytes-'))
  try {
    const file = join(directory, 'policies')
    await writeFile(file, 'permit all; forbid some;')
    expect(String(await readBytes(file, 24))).toBe('permit all; forbid some;')
    for (const maxBytes of [23, 11, 1]) {
      await expect(readBytes(file, maxBytes)).rejects.toMatchObject({ code: 'invalid-policy' })
    }
    await expect(readBytes(directory, 24)).rejects.toMatchObject({ code: 'invalid-policy' })
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
})
