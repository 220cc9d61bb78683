import { readdirSync, readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { TopicPattern } from './codec.ts'

const cases = fileURLToPath(new URL('./testcases', import.meta.url))

/** `input`: a pattern and topics, a line each, or lines that are no pattern at all. */
function explain(input: string): unknown {
  const [first = '', ...topics] = input.trimEnd().split('\n')
  const pattern = TopicPattern.parse(first)
  if (typeof pattern === 'string')
    return [first, ...topics].map((text) => [text, TopicPattern.parse(text) as string])
  return { filter: pattern.filter, topics: topics.map((topic) => [topic, pattern.deviceOf(topic) ?? null]) }
}

describe('testcases', () => {
  test.each(readdirSync(cases))('%s', (name) => {
    const read = (file: string) => readFileSync(`${cases}/${name}/${file}`, 'utf8')
    expect(explain(read('input'))).toEqual(JSON.parse(read('expected')))
  })
})

const level = fc.string({ unit: fc.constantFrom('a', 'b', '-', '网', ' '), maxLength: 3 })

test('a topic that the device is written into gives the device back', () => {
  fc.assert(
    fc.property(fc.array(level), level, fc.array(level), (before, device, after) => {
      const pattern = TopicPattern.parse([...before, '{device}', ...after].join('/')) as TopicPattern
      expect(pattern.deviceOf([...before, device, ...after].join('/'))).toBe(device)
    }),
  )
})

test('whatever the pattern and the topic, there is an answer, and a device is a level of the topic', () => {
  const piece = fc.constantFrom('{device}', '+', '#', '/', '/', 'a', '$', '{', '\0', '网')
  const text = fc.array(piece, { maxLength: 10 }).map((pieces) => pieces.join(''))
  fc.assert(
    fc.property(text, text, (written, topic) => {
      const pattern = TopicPattern.parse(written)
      if (typeof pattern === 'string') return
      const device = pattern.deviceOf(topic)
      if (device !== undefined) expect(topic.split('/')).toContain(device)
    }),
    { numRuns: 100_000 },
  )
})
