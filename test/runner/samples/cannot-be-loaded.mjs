import { test } from '@jest/globals'

test('is never run', () => {})
throw new Error('this file cannot be loaded')
