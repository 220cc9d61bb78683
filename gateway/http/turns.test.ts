import { expect, test } from 'vitest'
import { Turns } from './turns.ts'

test('whatever else is due comes between two turns, which come in order', async () => {
  const turns = new Turns()
  const story: string[] = []
  const ticker = setInterval(() => story.push('other'), 0)
  const busy = async (name: string) => {
    await turns.take()
    const end = performance.now() + 5
    while (performance.now() < end);
    story.push(name)
  }
  await Promise.all(['a', 'b', 'c', 'd'].map(busy))
  clearInterval(ticker)
  expect(story.filter((name) => name !== 'other')).toEqual(['a', 'b', 'c', 'd'])
  for (const [earlier, later] of ['ab', 'bc', 'cd']) {
    expect(story.slice(story.indexOf(earlier!), story.indexOf(later!))).toContain('other')
  }
})

test('more than a hundred do not wait; when those have had their turn others may', async () => {
  const turns = new Turns()
  const taken = await Promise.allSettled(Array.from({ length: 120 }, () => turns.take()))
  expect(taken.filter(({ status }) => status === 'rejected')).toHaveLength(20)
  await turns.take()
})
