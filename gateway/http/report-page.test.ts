import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { chromium, type Browser, type BrowserContext, type Page } from 'playwright-core'
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { png } from '../evidence/media.fixture.ts'
import { smallDistrict } from '../people/people.fixture.ts'
import { newTicketNumber, shownNumber, ticketNumber } from '../people/ticket-number.ts'
import { ADMIN_TOKEN as token, Site } from './server.fixture.ts'

const EVIL = '<img src=x onerror="window.hacked=1"><script>window.hacked=1</script>'
const folder = mkdtempSync(join(tmpdir(), 'gridwhistle-report-'))
let site: Site
let browser: Browser
let context: BrowserContext
const complaints: string[] = []

beforeAll(async () => {
  const district = smallDistrict(folder)
  // Words of the district's file are text too, whoever wrote it.
  district.sites!.find(({ id }) => id === 'quay')!.title = { zh: EVIL, en: EVIL }
  site = await new Site({}, district).start()
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    args: [
      '--no-sandbox',
      '--disable-gpu',
      '--disable-quic',
      '--no-first-run',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
    ],
  })
})
afterEach(async () => {
  await context.close()
  expect(complaints.splice(0)).toEqual([])
})
afterAll(async () => {
  await browser.close()
  await site.stop()
  rmSync(folder, { recursive: true })
})

const pathOf = (place: string) => `/r/${site.people.places.codeOf(place)}`

async function open(path: string, options: { hasTouch?: boolean } = {}): Promise<Page> {
  context = await browser.newContext({
    viewport: { width: 390, height: 844 },
    deviceScaleFactor: 2,
    isMobile: true,
    hasTouch: true,
    ...options,
  })
  const page = await context.newPage()
  page.setDefaultTimeout(10_000)
  page.on('pageerror', (error) => complaints.push(error.message))
  page.on('console', (message) => {
    // Browsers report answers such as 404 by themselves.
    if (message.type() === 'error' && !/status of 4\d\d|ERR_INTERNET|ERR_FAILED/.test(message.text()))
      complaints.push(message.text())
  })
  page.on('request', (request) => {
    if (!request.url().startsWith(site.origin)) complaints.push(`a request to ${request.url()}`)
  })
  await page.goto(site.origin + path)
  return page
}

const photo = (seed: number) => ({ name: `${EVIL}.png`, mimeType: 'image/png', buffer: png(seed, 40, 30) })

describe('the page behind a printed code', () => {
  test('takes a report with photos, and leads from its number to its end', async () => {
    const page = await open(pathOf('noodle-house'))
    expect(await page.locator('header .where').textContent()).toBe('老街面馆 · 东街')
    expect(await page.locator('.category').allTextContents()).toEqual([
      '餐餐饮油烟',
      '河河岸秩序',
      '暴暴露垃圾',
    ])
    await page.locator('.category', { hasText: '餐饮油烟' }).click()
    await page.locator('input[type=file]').setInputFiles([photo(1), photo(2)])
    await expect.poll(() => page.locator('.photo canvas').count()).toBe(2)
    await page.fill('#text', '油烟直排，已经两小时')
    await page.fill('#phone', '138 1234 5678')
    await page.click('.send .primary')
    await page.locator('.mark.good').waitFor()
    const number = (await page.locator('.number').textContent())!
    const ticket = site.people.desk.tickets.get(ticketNumber(number)!)!
    expect(ticket).toMatchObject({
      source: 'page',
      phone: '13812345678',
      place: 'noodle-house',
      reporter: null,
    })
    await page.getByText('2 张照片已上传').waitFor()
    const photos = site.evidence.files(ticket.caseId).filter(({ kind }) => kind === 'photo')
    expect(photos.map(({ by, media }) => [by, media])).toEqual([
      [`ticket:${number.slice(-4)}`, 'image/jpeg'],
      [`ticket:${number.slice(-4)}`, 'image/jpeg'],
    ])

    await page.click('a.primary')
    await page.locator('.state.sent').waitFor()
    expect(await page.locator('.promise').textContent()).toMatch(/^将在 (\d+\/\d+ )?\d\d:\d\d 前受理$/)
    const crew = await site.person(`ma-${number.slice(-4)}`, 'team', { team: 'east-crew' })
    const act = async (body: object, by = token) => {
      const answer = await site.call('POST', `/api/v1/cases/${ticket.caseId}/actions`, { token: by, body })
      expect([body, answer.status]).toEqual([body, 200])
    }
    await act({ action: 'accept', note: 'internal: call the owner on 13900000000' }, crew)
    await page.reload()
    await page.locator('.state.accepted').waitFor()
    expect(await page.locator('.promise').textContent()).toMatch(
      /^东街巡查组 已于 (\d+\/\d+ )?\d\d:\d\d 受理$/,
    )
    await act({ action: 'arrive', position: [120.8801, 32.0001] }, crew)
    await act({ action: 'handle', publicNote: EVIL }, crew)
    await act({ action: 'verify' })
    await act({ action: 'close', code: 'confirmed', note: 'internal', publicNote: '已更换净化器' })
    await page.reload()
    await page.locator('.state.closed').waitFor()
    expect(await page.locator('.result').textContent()).toContain('已更换净化器')
    expect(await page.locator('.steps').textContent()).toContain(EVIL)
    const text = await page.locator('body').textContent()
    for (const secret of ['internal', '13900000000', '13812345678', 'ma-', '120.88'])
      expect(text).not.toContain(secret)

    await page.click('#score-4')
    await page.fill('#comment', EVIL)
    await page.click('.rate .primary')
    await page.getByText('感谢评价').waitFor()
    expect(site.people.desk.tickets.get(ticket.number)).toMatchObject({ satisfaction: 4, comment: EVIL })
    expect(await page.locator('.rate .note').textContent()).toBe(EVIL)
    await page.locator('.rate .plain').click()
    await page.click('#score-5')
    await page.click('.rate .primary')
    await expect.poll(() => site.people.desk.tickets.get(ticket.number)!.satisfaction).toBe(5)
    expect(await page.evaluate('window.hacked')).toBeUndefined()
    expect(await page.locator('main img, main script').count()).toBe(0)
  })

  test('what anybody wrote stays text, in every field and on every page', async () => {
    const page = await open(pathOf('quay'))
    expect(await page.locator('header .where').textContent()).toContain(EVIL)
    await page.locator('.category').first().click()
    await page.fill('#text', EVIL)
    await page.fill('#phone', EVIL.slice(0, 40))
    await page.click('.send .primary')
    // Not taken as it is, and nothing that was filled in is gone.
    await page.getByText('电话号码不正确').waitFor()
    expect(await page.inputValue('#text')).toBe(EVIL)
    await page.fill('#phone', '')
    await page.click('.send .primary')
    await page.locator('.mark.good').waitFor()
    const number = (await page.locator('.number').textContent())!
    expect(site.people.desk.tickets.get(ticketNumber(number)!)!.text).toBe(EVIL)
    await page.evaluate((evil) => {
      localStorage.setItem(
        'gridwhistle.tickets',
        JSON.stringify([
          { ticket: 'AAAA-AAAA-AAAA', title: { zh: evil, en: evil } },
          { ticket: evil, title: evil },
        ]),
      )
    }, EVIL)
    for (const path of [
      pathOf('quay'),
      `/t/${number}`,
      `/t/${encodeURIComponent(EVIL)}`,
      `/r/${encodeURIComponent(EVIL)}`,
    ]) {
      await page.goto(site.origin + path)
      await page.locator('main section, main .mark').first().waitFor()
      expect(await page.locator('main img, main script, header img').count()).toBe(0)
      expect(await page.evaluate('window.hacked')).toBeUndefined()
    }
  })

  test('keeps a report that finds no network, photos too, and sends it once when there is one', async () => {
    const page = await open(pathOf('noodle-house'))
    await page.locator('.category', { hasText: '暴露垃圾' }).click()
    await page.fill('#text', 'offline')
    await page.locator('input[type=file]').setInputFiles([photo(7)])
    await page.locator('.photo canvas').waitFor()
    const before = site.people.desk.tickets.list({}, 500).items.length
    // The report arrives, its answer does not.
    let lost = 0
    await page.route('**/api/v1/public/reports', async (route) => {
      if (lost++ > 0) return route.continue()
      await route.fetch()
      await route.abort()
    })
    await page.click('.send .primary')
    await page.getByText('网络不好').waitFor()
    // Left, and opened again later: the phone still has it.
    await page.unroute('**/api/v1/public/reports')
    await page.reload()
    const number = (await page.locator('.pending.done a').textContent())!
    expect(site.people.desk.tickets.get(ticketNumber(number)!)).toMatchObject({ text: 'offline' })
    expect(site.people.desk.tickets.list({}, 500).items.length).toBe(before + 1)
    const ticket = site.people.desk.tickets.list({}, 500).items.find(({ text }) => text === 'offline')!
    await vi.waitFor(() =>
      expect(site.evidence.files(ticket.caseId).filter(({ kind }) => kind === 'photo')).toHaveLength(1),
    )
  })

  test('a code that was made up opens no form, and a number that is none no ticket', async () => {
    const page = await open('/r/noodle-house~000000000000')
    await page.getByText('二维码无效').waitFor()
    expect(await page.locator('form').count()).toBe(0)
    await page.goto(`${site.origin}/t/${shownNumber(newTicketNumber())}`)
    await page.getByText('没有这个编号').waitFor()
    await page.goto(`${site.origin}/t`)
    await page.fill('#number', 'k7qm 2d9x wb4t')
    await page.click('.primary')
    await page.getByText('没有这个编号').waitFor()
  })

  test('speaks Chinese first, English when asked, and remembers', async () => {
    const page = await open(pathOf('noodle-house'))
    await page.locator('.category').first().waitFor()
    expect(await page.locator('h1').textContent()).toBe('随手拍')
    await page.click('.language')
    expect(await page.locator('.category').first().textContent()).toContain('Cooking fume')
    await page.goto(`${site.origin}/t`)
    expect(await page.locator('h1').textContent()).toBe('Progress')
    expect(await page.locator('html').getAttribute('lang')).toBe('en-GB')
  })

  test('fits a phone, and every target is one that a wet thumb hits', async () => {
    const page = await open(pathOf('noodle-house'))
    await page.locator('.category').first().waitFor()
    expect(await page.evaluate('document.documentElement.scrollWidth')).toBe(390)
    const targets = page.locator(
      'button, .category, .photo.add, input:not([type=radio], [type=file], #website), textarea',
    )
    for (const target of await targets.all()) {
      const box = (await target.boundingBox())!
      expect([await target.textContent(), box.height >= 44]).toEqual([await target.textContent(), true])
    }
  })
})
