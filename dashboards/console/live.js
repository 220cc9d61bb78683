import { call, list } from './api.js'
import { learnTerms, titleOf } from './words.js'

/** Alarms shown; older ones are a question for the API. */
const ALARMS_SHOWN = 100
const CASES_SHOWN = 500
const DEVICES_SHOWN = 5000
const SITES_SHOWN = 5000
/** Values of alarms that fire have no event either; they are asked for with every so many numbers. */
const ALARMS_WITH = 5
/** How often the numbers that have no event of their own are asked for, ms. */
const NUMBERS_EVERY = 2000
/** A stream that has not opened by then may still be held up somewhere on its way: the lists do not wait for it, ms. */
const OPEN_WITHIN = 3000
/** A list that takes longer is asked for again: what the stream says does not wait any longer for it, ms. */
const LOAD_WITHIN = 20_000

/**
 * What the page knows: loaded once, then kept up by events. `changed` names the parts that a panel must draw
 * again; drawing happens at most once in a frame, however fast events come.
 */
export class Live {
  /** @type {Map<string, object>} */ cases = new Map()
  /** @type {Map<string, object>} */ alarms = new Map()
  /** @type {Map<string, object>} */ devices = new Map()
  /** @type {Map<string, object>} */ kinds = new Map()
  /** @type {Map<string, object>} */ rules = new Map()
  /** @type {Map<string, object>} */ sites = new Map()
  /** @type {{title?: object, streets: object[], teams: object[], categories?: object}} */ district = {
    streets: [],
    teams: [],
  }
  /** @type {object | null} */ ledger = null
  /** Accepted readings in a second, from the last two looks at the ledger. */
  rate = 0
  /** @type {object | null} */ readiness = null

  #draw
  #signedOut
  #announce
  #pending = new Set()
  #events = null
  /** What the stream says while the lists are on their way. @type {(() => void)[] | null} */
  #held = null
  #wasLive = false
  #answers = true
  #looks = 0
  #timer = 0
  #late = 0
  #isLoaded = false
  #stopped = false

  /**
   * @param {(parts: Set<string>) => void} draw
   * @param {() => void} signedOut
   * @param {(item: object) => void} announce a case that was not there before
   */
  constructor(draw, signedOut, announce) {
    this.#draw = draw
    this.#signedOut = signedOut
    this.#announce = announce
  }

  /** Live only while events flow and questions are answered. @returns {'connecting' | 'live' | 'lost'} */
  get connection() {
    if (this.#events?.readyState === EventSource.OPEN && this.#answers) return 'live'
    return this.#wasLive ? 'lost' : 'connecting'
  }

  start() {
    this.#listen()
    void this.#numbers()
    this.#late = setTimeout(() => {
      if (!this.#isLoaded) void this.#load()
    }, OPEN_WITHIN)
  }

  stop() {
    this.#stopped = true
    clearTimeout(this.#timer)
    clearTimeout(this.#late)
    this.#events?.close()
  }

  /** After an action of one's own: the answer is newer than any event. */
  takeCase(item) {
    this.#putCase(item)
  }

  /** The case's title in the reader's language where its rule is known; what the gateway wrote otherwise. */
  titleOf(item) {
    const rule = [...this.rules.values()].find((known) => (known.family ?? known.id) === item.family)
    const category = item.family === `report-${item.category}` && this.district.categories?.[item.category]
    return titleOf(rule?.title ?? (category ? category.title : undefined), item.title)
  }

  /** What the district calls a site; where it knows none, what the device or the report calls it. */
  siteOf(id) {
    return titleOf(this.sites.get(id)?.title, id)
  }

  teamOf(id) {
    return titleOf(this.district.teams.find((team) => team.id === id)?.title, id)
  }

  /** The stream first, then the lists, and what the stream has said meanwhile on top: nothing in between is missed. */
  #listen() {
    const events = new EventSource('/api/v1/events')
    this.#events = events
    let hasOpened = false
    const on = (type, take) =>
      events.addEventListener(type, (event) => {
        const said = JSON.parse(event.data)
        if (this.#held === null) take(said)
        else this.#held.push(() => take(said))
      })
    on('reading', (reading) => this.#putReading(reading))
    on('alarm', (alarm) => this.#putAlarm(alarm))
    on('case', (item) => this.#putCase(item))
    on('device', (change) => this.#putDevice(change))
    on('reset', () => void this.#load())
    events.addEventListener('open', () => {
      this.#wasLive = true
      this.#change('connection')
      // When it opens once more by itself, the gateway sends what was missed, or says that it cannot.
      if (!hasOpened) void this.#load()
      hasOpened = true
    })
    events.addEventListener('error', () => {
      this.#change('connection')
      // The browser tries again by itself unless the gateway refused; then find out why, and begin anew.
      if (events.readyState === EventSource.CLOSED) setTimeout(() => void this.#again(), 2000)
    })
  }

  async #again() {
    if (this.#stopped) return
    try {
      await call('GET', '/session')
      // Where streams are refused the lists are all that there is.
      await this.#load()
    } catch (error) {
      if (error.status === 401) return this.#signedOut()
      setTimeout(() => void this.#again(), 2000)
      return
    }
    this.#listen()
  }

  async #load() {
    if (this.#held !== null) {
      this.#held.push(() => void this.#load())
      return
    }
    this.#held = []
    try {
      const lists = Promise.all([
        list('/cases?open=true', CASES_SHOWN),
        list('/alarms', ALARMS_SHOWN),
        list('/devices', DEVICES_SHOWN),
        list('/kinds', 1000),
        list('/rules', 1000),
        list('/sites', SITES_SHOWN),
        call('GET', '/district?rosters=false'),
        call('GET', '/terms'),
      ])
      const [cases, alarms, devices, kinds, rules, sites, district, terms] = await within(LOAD_WITHIN, lists)
      learnTerms(terms)
      const byId = (items) => new Map(items.map((item) => [item.id, item]))
      this.cases = byId(cases)
      this.alarms = byId(alarms)
      this.devices = byId(devices)
      this.kinds = byId(kinds)
      this.rules = byId(rules)
      this.sites = byId(sites)
      this.district = district
      this.#isLoaded = true
      this.#change('cases', 'alarms', 'devices', 'district')
    } catch (error) {
      if (error.status === 401) this.#signedOut()
      else if (!this.#stopped) setTimeout(() => void this.#load(), 2000)
    } finally {
      const held = this.#held
      this.#held = null
      for (const take of held) take()
    }
  }

  async #numbers() {
    try {
      const [ledger, readiness] = await Promise.all([call('GET', '/ledger'), call('GET', '/readyz')])
      const at = performance.now()
      if (this.ledger !== null && at > this.ledger.at)
        this.rate = Math.max(0, ((ledger.accepted - this.ledger.accepted) * 1000) / (at - this.ledger.at))
      this.ledger = { ...ledger, at }
      this.readiness = readiness
      this.#answers = true
      this.#change('numbers')
      if (++this.#looks % ALARMS_WITH === 0)
        for (const alarm of await list('/alarms?state=firing', ALARMS_SHOWN)) this.#putAlarm(alarm)
    } catch (error) {
      if (error.status === 401) return this.#signedOut()
      this.#answers = false
      this.#change('connection')
    }
    if (!this.#stopped) this.#timer = setTimeout(() => void this.#numbers(), NUMBERS_EVERY)
  }

  #putCase(item) {
    const known = this.cases.get(item.id)
    if (known !== undefined && known.version > item.version) return
    if (item.state === 'closed' || item.state === 'void') this.cases.delete(item.id)
    else {
      this.cases.set(item.id, item)
      if (known === undefined) this.#announce(item)
    }
    this.#change('cases')
  }

  #putAlarm(alarm) {
    this.alarms.set(alarm.id, alarm)
    if (this.alarms.size > 2 * ALARMS_SHOWN) {
      const newest = [...this.alarms.values()].sort((a, b) => b.startedAt - a.startedAt)
      this.alarms = new Map(newest.slice(0, ALARMS_SHOWN).map((kept) => [kept.id, kept]))
    }
    this.#change('alarms')
  }

  #putReading(reading) {
    const device = this.devices.get(reading.device)
    if (device === undefined) return
    // A reading may carry some of the metrics only: the others keep their last value.
    const last = device.last
    const metrics = { ...last?.metrics, ...reading.metrics }
    const flags = { ...last?.flags }
    for (const metric of Object.keys(reading.metrics)) delete flags[metric]
    device.last = { ...reading, metrics, flags: { ...flags, ...reading.flags } }
    this.#change('devices')
  }

  #putDevice(change) {
    if (change.deleted) this.devices.delete(change.id)
    else this.devices.set(change.id, { ...this.devices.get(change.id), ...change })
    this.#change('devices')
  }

  #change(...parts) {
    if (this.#pending.size === 0) {
      // A hidden page has no frames; a timer draws there too, only later.
      const draw = () => {
        const pending = this.#pending
        this.#pending = new Set()
        if (!this.#stopped) this.#draw(pending)
      }
      if (document.hidden) setTimeout(draw, 1000)
      else requestAnimationFrame(draw)
    }
    for (const part of parts) this.#pending.add(part)
  }
}

/** Rejects when it takes longer. */
function within(ms, promise) {
  let timer = 0
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`no answer within ${ms} ms`)), ms)
  })
  return Promise.race([promise, late]).finally(() => clearTimeout(timer))
}
