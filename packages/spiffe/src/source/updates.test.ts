import { expect, test } from '@jest/globals'
import { Updates } from './updates.ts'

test('a listener hears of each change until its subscription ends', () => {
  const updates = new Updates()
  let heard = 0
  const end = updates.onUpdate(() => (heard += 1))
  updates.notify()
  updates.notify()
  end()
  updates.notify()
  expect(heard).toBe(2)
})

test('a listener that subscribes anew within a change waits for the next one', () => {
  const updates = new Updates()
  let heard = 0
  const subscribe = (): void => {
    const end = updates.onUpdate(() => {
      heard += 1
      end()
      subscribe()
    })
  }
  subscribe()
  updates.notify()
  expect(heard).toBe(1)
  updates.notify()
  expect(heard).toBe(2)
})

test('a listener that another one unsubscribes within a change does not hear of it', () => {
  const updates = new Updates()
  const heard: string[] = []
  updates.onUpdate(() => {
    heard.push('first')
    endSecond()
  })
  const endSecond = updates.onUpdate(() => heard.push('second'))
  updates.notify()
  expect(heard).toEqual(['first'])
})

test('a wait resolves at the next change, and rejects with the reason of its signal', async () => {
  const updates = new Updates()
  const next = updates.nextUpdate()
  updates.notify()
  await expect(next).resolves.toBeUndefined()

  const ending = new AbortController()
  const aborted = updates.nextUpdate({ signal: ending.signal })
  ending.abort(new Error('enough'))
  await expect(aborted).rejects.toThrow('enough')
  await expect(updates.nextUpdate({ signal: ending.signal })).rejects.toThrow('enough')
})

test('closing ends waits, the present ones and those to come', async () => {
  const updates = new Updates()
  const waiting = updates.nextUpdate()
  updates.close()
  await expect(waiting).rejects.toMatchObject({ code: 'source-closed' })
  await expect(updates.nextUpdate()).rejects.toMatchObject({ code: 'source-closed' })
})
