import { describe, expect, test } from '@jest/globals'
import { Forgetting } from './forgetting.ts'

function counted(): { forgetting: Forgetting; times: () => number } {
  let times = 0
  return { forgetting: new Forgetting(() => times++), times: () => times }
}

describe('everything is forgotten', () => {
  test('at once three times in a heartbeat, then with the next one', () => {
    const { forgetting, times } = counted()
    for (let time = 0; time < 3; time++) forgetting.forget()
    expect([times(), forgetting.isDue]).toEqual([3, false])
    forgetting.forget()
    expect([times(), forgetting.isDue]).toEqual([3, true])
    forgetting.onHeartbeat()
    expect([times(), forgetting.isDue]).toEqual([4, false])
    forgetting.onHeartbeat()
    expect(times()).toBe(4)
  })

  test('once where nobody knows what is lost, and with the next heartbeat', () => {
    const { forgetting, times } = counted()
    forgetting.suspend()
    forgetting.suspend()
    forgetting.forget()
    expect([times(), forgetting.isDue]).toEqual([1, true])
    forgetting.onHeartbeat()
    expect([times(), forgetting.isDue]).toEqual([2, false])
  })
})
