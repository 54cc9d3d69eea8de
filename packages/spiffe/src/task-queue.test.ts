import { expect, test } from '@jest/globals'
import { TaskQueue } from './task-queue.ts'

test('tasks run one after the other, in the order in which they were given', async () => {
  const queue = new TaskQueue()
  const events: string[] = []
  const task = (name: string) => async (): Promise<string> => {
    events.push(`${name} starts`)
    await Promise.resolve()
    events.push(`${name} ends`)
    return name
  }
  const results = await Promise.all(['a', 'b', 'c'].map((name) => queue.run(task(name))))
  expect(results).toEqual(['a', 'b', 'c'])
  expect(events).toEqual(['a starts', 'a ends', 'b starts', 'b ends', 'c starts', 'c ends'])
})

test('a task that fails rejects its own promise, and the next one runs', async () => {
  const queue = new TaskQueue()
  const failing = queue.run(() => Promise.reject(new Error('no')))
  const next = queue.run(() => Promise.resolve('yes'))
  await expect(failing).rejects.toThrow('no')
  expect(await next).toBe('yes')
})
