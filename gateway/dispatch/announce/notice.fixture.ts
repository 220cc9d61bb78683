import { NOON, MINUTE } from '../test-stage.ts'
import type { CaseFacts, Notice } from './notice.ts'

/** For the tests of this folder: a case that was just opened, and the news of it. */
export function facts(more: Partial<CaseFacts> = {}): CaseFacts {
  return {
    id: '20240601-fume-1',
    state: 'dispatched',
    severity: 'orange',
    category: 'cooking-fume',
    title: '油烟浓度超标 Cooking fume over the limit · restaurant-1',
    site: 'restaurant-1',
    street: 'tangzhazhen',
    grid: 'tangzhazhen-001',
    position: [120.8239, 32.0616],
    team: 'tangzhazhen-crew',
    crew: null,
    called: [],
    queuedAt: NOON,
    deadlineColour: 'none',
    supervised: false,
    closeCode: null,
    version: 1,
    respondBy: NOON + 10 * MINUTE,
    arriveBy: NOON + 20 * MINUTE,
    resolveBy: NOON + 240 * MINUTE,
    clock: 'respond',
    ...more,
  }
}

export function notice(more: Partial<Notice> = {}): Notice {
  return {
    id: '20240601-fume-1:1:opened',
    event: 'opened',
    at: NOON,
    actor: 'gateway',
    note: null,
    case: facts(),
    ...more,
  }
}
