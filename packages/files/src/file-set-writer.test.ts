import {
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  stat,
  utimes,
  writeFile,
} from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from '@jest/globals'
import { FileSetWriter } from './file-set-writer.ts'

let root = ''
let folder = ''

beforeEach(async () => {
  root = await mkdtemp(join(tmpdir(), 'fs-writer-'))
  folder = join(root, 'certs')
})

afterEach(() => rm(root, { recursive: true, force: true }))

const set = (value: string): ReadonlyMap<string, string> =>
  new Map(['a', 'b'].map((name) => [name, `${name} ${value}`]))

async function read(): Promise<string[]> {
  return Promise.all(['a', 'b'].map((name) => readFile(join(folder, name), 'utf8')))
}

test('files are written together, for their owner alone, through one link', async () => {
  const writer = await FileSetWriter.open(folder)
  await writer.write(set('1'))
  expect(await read()).toEqual(['a 1', 'b 1'])
  expect((await stat(folder)).mode & 0o777).toBe(0o700)
  expect((await stat(join(folder, 'a'))).mode & 0o777).toBe(0o600)
  expect(await readlink(join(folder, 'b'))).toBe('..data/b')
})

test('the generation before is removed, and nothing else is left', async () => {
  const writer = await FileSetWriter.open(folder)
  for (const value of ['1', '2', '3']) await writer.write(set(value))
  expect(await read()).toEqual(['a 3', 'b 3'])
  expect((await readdir(folder)).toSorted()).toEqual(
    [await readlink(join(folder, '..data')), '..data', 'a', 'b'].toSorted(),
  )
})

test('what a killed writer left is removed by the next one, once it is old', async () => {
  await (await FileSetWriter.open(folder)).write(set('1'))
  const left = ['..1700000000000-1-0123456789ab', '..1700000000000-2-0123456789ab']
  for (const name of left) await mkdir(join(folder, name))
  await utimes(join(folder, left[0]!), 0, 0)
  const writer = await FileSetWriter.open(folder)
  await writer.write(set('2'))
  const names = await readdir(folder)
  expect([names.includes(left[0]!), names.includes(left[1]!)]).toEqual([false, true])
})

test('a file of somebody else is not replaced, and nothing is written', async () => {
  const writer = await FileSetWriter.open(folder)
  await writeFile(join(folder, 'b'), 'theirs')
  await expect(writer.write(set('1'))).rejects.toThrow('is not of an earlier write')
  expect(await readdir(folder)).toEqual(['b'])
  expect((await lstat(join(folder, 'b'))).isFile()).toBe(true)
})

test('a write that fails leaves what was there, and no trace', async () => {
  const writer = await FileSetWriter.open(folder)
  await writer.write(set('1'))
  const before = (await readdir(folder)).toSorted()
  await expect(writer.write(new Map([['none/c', 'content']]))).rejects.toThrow('ENOENT')
  expect(await read()).toEqual(['a 1', 'b 1'])
  expect((await readdir(folder)).toSorted()).toEqual(before)
})
