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
    forgetting.forget()
    expect([times(), forgetting.isDue]).toEqual([5, false])
  })

  test('with each heartbeat alone while it goes on', () => {
    const { forgetting, times } = counted()
    for (let heartbeat = 1; heartbeat < 4; heartbeat++) {
      for (let time = 0; time < 10; time++) forgetting.forget()
      expect([times(), forgetting.isDue]).toEqual([2 + heartbeat, true])
      forgetting.onHeartbeat()
    }
  })

  test('with the next heartbeat where nobody knows what is lost', () => {
    const { forgetting, times } = counted()
    forgetting.suspend()
    forgetting.suspend()
    forgetting.forget()
    expect([times(), forgetting.isDue]).toEqual([0, true])
    forgetting.onHeartbeat()
    expect([times(), forgetting.isDue]).toEqual([1, false])
  })
})
