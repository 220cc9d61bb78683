import * as fc from 'fast-check'
import { expect, test } from 'vitest'
import { isolate, type Answer, type Line } from './isolate.ts'

const origin = { kind: 'cooking_fume', device: 'd', site: 's', street: 'wenfeng', grid: 'wenfeng-001' }

/** What is wrong with a line, if anything. */
type Fault = 'none' | 'type' | 'old' | 'unparsable'

function lineOf(fault: Fault, index: number): Line {
  const reading = {
    ts: fault === 'old' ? index : 1_000_000 + index,
    metrics: { fume: fault === 'type' ? true : index },
  }
  return {
    text: `${fault} ${index}`,
    reading,
    delivery: { seq: index, origin, receivedAt: 0, readings: [reading] },
  }
}

/** Answers like InfluxDB 1.6.7: it names one trouble, and counts the lines of that one only. */
function server(faults: readonly Fault[]): {
  post: (lines: readonly Line[]) => Promise<Answer>
  stored: Set<number>
  requests: number
} {
  const state = {
    stored: new Set<number>(),
    requests: 0,
    async post(lines: readonly Line[]): Promise<Answer> {
      state.requests++
      const count = (fault: Fault) => lines.filter(({ delivery }) => faults[delivery.seq] === fault).length
      for (const { delivery } of lines) if (faults[delivery.seq] === 'none') state.stored.add(delivery.seq)
      const reason =
        count('unparsable') > 0
          ? 'partial write: unable to parse dropped=0'
          : count('type') > 0
            ? `partial write: field type conflict: input field "fume" on measurement "cooking_fume" is type boolean, already exists as type float dropped=${count('type')}`
            : count('old') > 0
              ? `partial write: points beyond retention policy dropped=${count('old')}`
              : undefined
      return reason === undefined ? { type: 'stored' } : { type: 'refused', reason }
    },
  }
  return state
}

test('whatever is wrong with whichever lines, exactly those are refused and all others stored', async () => {
  const fault = fc.constantFrom<Fault>('none', 'none', 'none', 'type', 'old', 'unparsable')
  await fc.assert(
    fc.asyncProperty(fc.array(fault, { minLength: 1, maxLength: 60 }), async (faults) => {
      const influx = server(faults)
      const refused = await isolate(faults.map(lineOf), influx.post)
      const indices = faults.map((_, index) => index)
      expect(refused.map(({ line }) => line.delivery.seq).sort((a, b) => a - b)).toEqual(
        indices.filter((index) => faults[index] !== 'none'),
      )
      expect([...influx.stored].sort((a, b) => a - b)).toEqual(
        indices.filter((index) => faults[index] === 'none'),
      )
    }),
  )
})

test.for(['type', 'old'] as const)(
  'a batch of 5,000 with half of it "%s" takes three writes',
  async (fault) => {
    const faults = Array.from({ length: 5_000 }, (_, index): Fault => (index % 2 === 0 ? fault : 'none'))
    const influx = server(faults)
    expect(await isolate(faults.map(lineOf), influx.post)).toHaveLength(2_500)
    expect(influx.requests).toBe(3)
  },
)

test('an error is passed on: the whole batch will be tried again', async () => {
  const away = isolate([lineOf('none', 0), lineOf('none', 1)], () => Promise.reject(new Error('refused')))
  await expect(away).rejects.toThrow('refused')
})
