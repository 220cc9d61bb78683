import { array, assert, integer, property } from 'fast-check'
import { expect, test } from 'vitest'
import { Schedule } from './schedule.ts'

test('what is due comes out in order of time, and nothing before its time', () => {
  assert(
    property(array(integer({ min: 0, max: 100 })), integer({ min: 0, max: 100 }), (times, now) => {
      const schedule = new Schedule<number>()
      for (const time of times) schedule.add(time, time)
      const taken: number[] = []
      for (let entry = schedule.take(now); entry !== undefined; entry = schedule.take(now))
        taken.push(entry.what)
      expect(taken).toEqual(times.filter((time) => time <= now).sort((a, b) => a - b))
    }),
  )
})
