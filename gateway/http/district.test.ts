import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import type { Role } from '../model/user.ts'
import { ADMIN_TOKEN, fume, Site } from './server.fixture.ts'

let site: Site
const tokens = new Map<string, string>()
beforeAll(async () => {
  site = await new Site().start()
  const people: [string, Role, { street?: string; team?: string }][] = [
    ['li', 'district', {}],
    ['zhao', 'street', { street: 'tangzhazhen' }],
    ['wang', 'team', { team: 'tangzhazhen-crew' }],
    ['sun', 'team', { team: 'chengguan' }],
    ['qian', 'viewer', {}],
  ]
  tokens.set('admin', ADMIN_TOKEN)
  for (const [name, role, place] of people) tokens.set(name, await site.person(name, role, place))
})
afterAll(async () => site.stop())

interface TeamSeen {
  id: string
  level: string
  onDuty: number | null
  roster?: { members: { phone: string }[]; present: string[] }
}
const ask = async (name: string, path: string) =>
  site.call('GET', `/api/v1${path}`, { token: tokens.get(name) })
const teamsSeen = async (name: string, query = '') =>
  ((await ask(name, `/district${query}`)).body as { teams: TeamSeen[] }).teams
const looks = () => site.parts.audit.list({ limit: 1000, action: 'personal.read' }).items

describe('names and phones', () => {
  test.each([
    ['admin', null],
    ['li', null],
    ['zhao', ['tangzhazhen-crew', 'tangzhazhen-team']],
    ['wang', ['tangzhazhen-crew']],
    ['sun', ['chengguan']],
    ['qian', []],
  ])('%s sees those that concern it, and each look is in the audit', async (name, expected) => {
    const before = looks().length
    const teams = await teamsSeen(name)
    const shown = teams.filter(({ roster }) => roster !== undefined).map(({ id }) => id)
    expect(shown).toEqual(expected ?? teams.map(({ id }) => id))
    const text = JSON.stringify(teams.filter(({ id }) => !shown.includes(id)))
    expect(text).not.toMatch(/1380000|示例/)
    const entries = looks()
    expect(entries.length - before).toBe(shown.length > 0 ? 1 : 0)
    if (shown.length > 0)
      expect(entries[0]).toMatchObject({
        actor: name,
        subject: 'district',
        detail: expect.stringContaining('rosters of') as string,
      })
  })

  test('without being asked for nobody sees them, and nothing is in the audit', async () => {
    const before = looks().length
    const answer = await ask('admin', '/district?rosters=false')
    expect(JSON.stringify(answer.body)).not.toMatch(/1380000|示例网格员/)
    expect(looks()).toHaveLength(before)
  })
})

test('how many are on duty is for everybody, who for those who may call them', async () => {
  const [seen] = (await teamsSeen('wang')).filter(({ id }) => id === 'tangzhazhen-crew')
  expect(seen).toMatchObject({ level: 'grid', onDuty: 2 })
  expect(seen!.roster!.present).toHaveLength(2)
  expect((await teamsSeen('qian')).map(({ onDuty }) => onDuty)).not.toContain(0)
})

test('the district says what its categories are, how long they may take and which departments may come', async () => {
  const { body } = await ask('qian', '/district')
  expect(body).toMatchObject({
    id: 'chongchuan',
    categories: {
      'cooking-fume': {
        starts: 'grid',
        respond: '10m',
        arrive: '20m',
        departments: ['chengguan', 'huanbao', 'shichang'],
      },
    },
  })
  expect(body).not.toHaveProperty('sites')
})

describe('sites', () => {
  interface SiteSeen {
    id: string
    street: string
    kitchen?: { stoves: number; size: string }
  }
  const list = async (name: string, query = '') =>
    (await ask(name, `/sites?limit=1000${query}`)).body as { items: SiteSeen[] }

  test('kitchens with their size, by their stoves', async () => {
    const { items } = await list('admin', '&has=kitchen')
    expect(items.length).toBeGreaterThan(200)
    for (const { kitchen } of items) {
      const { stoves, size } = kitchen!
      expect(size).toBe(stoves < 3 ? 'small' : stoves < 6 ? 'medium' : 'large')
    }
  })

  test('page by page there is each of them once', async () => {
    const ids: string[] = []
    for (let cursor = ''; ;) {
      const { body } = await ask('admin', `/sites?limit=37${cursor}`)
      const page = body as { items: SiteSeen[]; cursor?: string }
      ids.push(...page.items.map(({ id }) => id))
      if (page.cursor === undefined) break
      cursor = `&cursor=${page.cursor}`
    }
    expect(ids).toEqual((await list('admin')).items.map(({ id }) => id))
    expect(new Set(ids).size).toBe(290)
  })

  test('a street sees its own, and of others not even that they are there', async () => {
    const { items } = await list('zhao')
    expect(new Set(items.map(({ street }) => street))).toEqual(new Set(['tangzhazhen']))
    expect((await ask('zhao', '/sites/tangzha-gongyuan')).status).toBe(200)
    expect((await ask('zhao', '/sites/nandajie-guangchang')).status).toBe(404)
    expect((await list('zhao', '&street=hepingqiao')).items).toEqual([])
  })

  test('what is named for a site is told of it once it is registered, else what is near', async () => {
    const path = '/sites/changjiang-langshan'
    const nearest = async () => ((await ask('admin', path)).body as { nearest: object }).nearest
    expect(await nearest()).toEqual({ cameras: [], loudspeakers: [], drones: [] })
    const at = { site: 'changjiang-langshan', position: [120.8655, 31.9495] }
    await site.device(fume('camera-changjiang-langshan', 'langshanzhen', { ...at, kind: 'eco_camera' }))
    // At the site, but not the one that the file names.
    await site.device(fume('camera-other', 'langshanzhen', { ...at, kind: 'eco_camera' }))
    // Some 94 m to the east, and some 9 km away.
    await site.device(fume('drone-near', 'langshanzhen', { kind: 'drone', position: [120.8665, 31.9495] }))
    await site.device(fume('drone-far', 'langshanzhen', { kind: 'drone', position: [120.9655, 31.9495] }))
    expect(await nearest()).toEqual({
      cameras: [{ device: 'camera-changjiang-langshan', metres: 0 }],
      loudspeakers: [],
      drones: [{ device: 'drone-near', metres: 94 }],
    })
  })

  test('where it is on the maps people use', async () => {
    expect((await ask('admin', '/sites/haohe-dong')).body).toMatchObject({
      position: [120.863, 32.014],
      coordinates: {
        gcj02: [expect.closeTo(120.8673, 3) as number, expect.closeTo(32.0119, 3) as number],
        bd09: [expect.closeTo(120.8737, 3) as number, expect.closeTo(32.018, 3) as number],
      },
      maps: { amap: expect.stringContaining('120.863000,32.014000') as string },
    })
  })
})
