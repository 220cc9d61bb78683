/** The HTTP server over real parts in a folder of its own, with people and devices to sign in as. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import type { Stranger } from '../../adapters/hj212/strangers.ts'
import { BackTests } from '../backtest/back-tests.ts'
import { Alarms } from '../dispatch/alarms.ts'
import { rangesOf } from '../dispatch/announce/addresses.ts'
import { Announcer } from '../dispatch/announce/announcer.ts'
import { Cases } from '../dispatch/cases.ts'
import { loadDistrict } from '../district/district.ts'
import { Precisions } from '../dispatch/precision.ts'
import { Queue } from '../dispatch/queue.ts'
import { Captures } from '../evidence/captures.ts'
import { EvidenceKey } from '../evidence/evidence-key.ts'
import { Evidence } from '../evidence/evidence.ts'
import { Supervision } from '../dispatch/supervision.ts'
import { Recorder } from '../historian/recorder.ts'
import { ReadingIntake } from '../ingest/intake.ts'
import { SqliteJournal } from '../journal/journal.ts'
import { QuarantineReader } from '../journal/quarantine.ts'
import type { Alarm } from '../model/alarm.ts'
import type { Device } from '../model/device.ts'
import { loadKinds } from '../model/kinds.ts'
import type { Retainer } from '../model/pipeline.ts'
import type { Rule } from '../model/rule.ts'
import type { Role } from '../model/user.ts'
import { AccountDesk } from '../reports/account-desk.ts'
import { loadSectionSettings } from '../reports/section-settings.ts'
import { People } from '../people/people.ts'
import { StrangerPhotos } from '../people/stranger-photos.ts'
import { Registers } from '../registers/registers.ts'
import { Audit } from '../registry/audit.ts'
import { CommandSender } from '../registry/command-sender.ts'
import { Commands } from '../registry/commands.ts'
import { Database } from '../registry/database.ts'
import { Devices } from '../registry/devices.ts'
import { Lockouts } from '../registry/lockouts.ts'
import { Secrets } from '../registry/secrets.ts'
import { Sessions } from '../registry/sessions.ts'
import { RegistrySignIn } from '../registry/sign-in.ts'
import { SlowHash } from '../registry/slow-hash.ts'
import { Users } from '../registry/users.ts'
import { loadConfig } from '../config.ts'
import { RuleBook } from '../rule-book/rule-book.ts'
import type { HttpParts } from './parts.ts'
import { HttpServer } from './server.ts'

export const ADMIN_TOKEN = 'the-admin-token-of-tests'

export const rule: Rule = {
  id: 'fume-over-limit',
  version: 3,
  kind: 'cooking_fume',
  title: { en: 'Cooking fume over the limit', zh: '油烟浓度超标' },
  basis: 'GB 18483-2001 table 2',
  severity: { yellow: { metric: 'fume', above: 1.6 }, orange: { metric: 'fume', above: 2 } },
  dispatch: { from: 'orange', category: 'cooking-fume', respond: '10m', arrive: '20m', resolve: '4h' },
}

export function fume(id: string, street = 'tangzhazhen', more: Partial<Device> = {}): Device {
  return {
    id,
    kind: 'cooking_fume',
    site: `${id}-site`,
    street,
    grid: `${street}-001`,
    position: [120.8239, 32.0616],
    ...more,
  }
}

export class Site {
  readonly folder = mkdtempSync(join(tmpdir(), 'gridwhistle-http-'))
  /** What the judge says of a device's attributes. */
  readonly unreadable = new Map<string, readonly string[]>()
  readonly clock = { ahead: 0, now: () => Date.now() + this.clock.ahead }
  readonly published: { topic: string; payload: string }[] = []
  readonly journal: SqliteJournal
  readonly recorder: Recorder
  readonly intake: ReadingIntake
  readonly devices: Devices
  readonly users: Users
  readonly queue: Queue
  readonly alarms: Alarms
  readonly cases: Cases
  readonly evidence: Evidence
  readonly captures: Captures
  readonly announcer: Announcer
  readonly people: People
  readonly registers: Registers
  readonly ruleBook: RuleBook
  readonly parts: HttpParts
  strangers: readonly Stranger[] = []
  server: HttpServer
  readonly #database: Database
  readonly #accounts: AccountDesk
  readonly #quarantine: { reader?: QuarantineReader } = {}

  constructor(more: Partial<HttpParts> = {}, district = loadDistrict()) {
    const { clock, folder } = this
    const log = pino({ level: 'silent' })
    const kinds = loadKinds()
    const config = loadConfig(undefined, {}).historian
    const publisher: Retainer = {
      retainedTopics: () => [],
      publish: async (topic, payload) => void this.published.push({ topic, payload }),
    }
    this.#database = new Database(join(folder, 'registry.db'))
    this.#accounts = new AccountDesk(join(folder, 'registry.db'))
    const slowHash = new SlowHash()
    const secrets = new Secrets(this.#database, slowHash)
    this.devices = new Devices(this.#database, secrets, kinds)
    this.users = new Users(this.#database, secrets)
    const audit = new Audit(this.#database, clock)
    secrets.load()
    this.devices.load()
    this.users.load()
    audit.load()
    const lockouts = new Lockouts(this.#database, audit, clock)
    lockouts.load(this.users)
    const commands = new Commands(this.#database, audit, clock)
    commands.load()
    const file = join(folder, 'journal.db')
    this.journal = new SqliteJournal({
      file,
      keepMs: 3_600_000,
      maxPendingBytes: 1 << 24,
      quarantineKeep: 1000,
      storedBy: 'historian:embedded',
      clock,
      log,
    })
    this.recorder = new Recorder({
      journal: this.journal,
      journalFile: file,
      config,
      dataDir: folder,
      log,
    })
    this.intake = new ReadingIntake({
      kinds,
      devices: this.devices,
      journal: this.journal,
      clock,
      maxMessageBytes: 1 << 20,
    })
    this.alarms = new Alarms(this.#database)
    this.cases = new Cases(this.#database)
    this.queue = new Queue({
      database: this.#database,
      alarms: this.alarms,
      cases: this.cases,
      district,
      devices: this.devices,
      clock,
      log,
    })
    this.queue.publishThrough(publisher)
    this.people = new People({
      database: this.#database,
      cases: this.cases,
      queue: this.queue,
      district,
      devices: this.devices,
      audit,
      clock,
      log,
      settings: {
        joinMetres: 100,
        joinMs: 7 * 86_400_000,
        keepContactMs: 180 * 86_400_000,
        placeKey: 'the key of the places of the tests',
      },
    })
    this.evidence = new Evidence({
      database: this.#database,
      cases: this.cases,
      queue: this.queue,
      folder: join(folder, 'evidence'),
      limits: { photoBytes: 1 << 18, videoBytes: 1 << 19, filesPerCase: 5, quotaBytes: 1 << 24 },
      clock,
      log,
    })
    this.registers = new Registers({
      database: this.#database,
      district,
      cases: this.cases,
      queue: this.queue,
      audit,
      clock,
      log,
      keepTracksMs: 90 * 86_400_000,
    })
    this.announcer = new Announcer({
      database: this.#database,
      district,
      clock,
      log,
      callsForSimulated: false,
      consoleUrl: 'https://grid.example.cn',
      allowed: rangesOf(['127.0.0.0/8']),
      allowHttp: true,
    })
    this.announcer.watch(this.queue)
    this.ruleBook = new RuleBook({
      database: this.#database,
      audit,
      clock,
      kinds,
      areas: new Map(),
      packs: [rule],
      log,
      adopt: (_rules, along) => Promise.resolve(this.#database.transaction(along)),
    })
    this.ruleBook.load()
    const sessions = new Sessions({
      database: this.#database,
      clock,
      users: this.users,
      secrets,
      adminToken: ADMIN_TOKEN,
    })
    sessions.load()
    this.captures = new Captures({
      database: this.#database,
      alarms: this.alarms,
      cases: this.cases,
      queue: this.queue,
      evidence: this.evidence,
      devices: this.devices,
      kinds,
      ruleBook: this.ruleBook,
      district,
      setup: { historian: config, dataDir: folder, journalFile: file, folder: join(folder, 'evidence') },
      head: () => this.journal.head(),
      stored: () => this.journal.cursor(this.recorder.consumer),
      clock,
      log,
    })
    const evidenceKey = new EvidenceKey(join(folder, 'pki'))
    evidenceKey.load()
    const reader = () => (this.#quarantine.reader ??= new QuarantineReader(file))
    this.parts = {
      host: '127.0.0.1',
      port: 0,
      version: '0.0.0',
      log,
      clock,
      district,
      kinds,
      signIn: new RegistrySignIn({
        devices: this.devices,
        users: this.users,
        secrets,
        slowHash,
        lockouts,
        adminToken: ADMIN_TOKEN,
        clock,
      }),
      secrets,
      lockouts,
      sessions,
      devices: this.devices,
      users: this.users,
      audit,
      commandSender: new CommandSender(commands, publisher, [], clock),
      intake: this.intake,
      journal: this.journal,
      // Opens when first asked: the journal makes the file.
      quarantine: { list: (query) => reader().list(query), get: (id) => reader().get(id) },
      recorder: this.recorder,
      ruleBook: this.ruleBook,
      sections: loadSectionSettings(),
      judge: { late: () => 0, unreadable: (device) => this.unreadable.get(device) ?? [] },
      alarms: this.alarms,
      cases: this.cases,
      precisions: new Precisions(this.#database),
      accounts: this.#accounts,
      supervision: new Supervision(this.#database),
      announcer: this.announcer,
      backTests: new BackTests({ ...loadConfig(undefined, {}), dataDir: folder }, log),
      queue: this.queue,
      registers: this.registers,
      evidence: this.evidence,
      captures: this.captures,
      people: this.people,
      photos: new StrangerPhotos({
        database: this.#database,
        desk: this.people.strangers,
        evidence: this.evidence,
        limits: this.people.limits,
        clock,
      }),
      evidenceKey,
      publisher,
      maxMessageBytes: 1 << 20,
      messagesPerSecond: 1000,
      strangers: () => this.strangers,
      connections: () => 0,
      lag: () => ({ historian: this.recorder.lag() }),
      health: {
        journal: () => this.journal.health(),
        historian: () => this.recorder.health(),
      },
      ...more,
    }
    this.server = new HttpServer(this.parts)
  }

  async start(): Promise<this> {
    await this.journal.start()
    await this.recorder.start()
    await this.queue.start()
    await this.evidence.start()
    await this.captures.start()
    await this.announcer.start()
    await this.server.start()
    return this
  }

  async stop(): Promise<void> {
    await this.#accounts.stop()
    await this.server.stop()
    await this.captures.stop()
    await this.announcer.stop()
    await this.queue.stop()
    await this.recorder.stop()
    this.#quarantine.reader?.close()
    await this.journal.stop()
    this.devices.stop()
    this.#database.close()
    rmSync(this.folder, { recursive: true, force: true })
  }

  get origin(): string {
    return `http://127.0.0.1:${this.server.port()}`
  }

  /** The server as after a restart: what it knew is what `registry.db` tells. */
  async restart(): Promise<void> {
    await this.server.stop()
    this.parts.sessions.load()
    this.server = new HttpServer(this.parts)
    await this.server.start()
  }

  /** A user of the role with a made-up secret, which is a bearer token too. */
  async person(name: string, role: Role, place: { street?: string; team?: string } = {}): Promise<string> {
    return (await this.users.create({ name, role, ...place })).secret
  }

  /** A registered device's secret. */
  async device(device: Device): Promise<string> {
    return (await this.devices.create(device)).secret
  }

  /** An alarm as the judge would record it; its case, if it opened one. */
  alarm(more: Partial<Omit<Alarm, 'case'>> = {}, by: Rule = rule): string | null {
    const device = more.device ?? 'fume-1'
    const place = this.devices.origin(device)!
    const startedAt = more.startedAt ?? this.clock.now()
    const alarm = {
      id: `${rule.id}:${device}:${startedAt}`,
      rule: rule.id,
      ruleVersion: rule.version,
      ...place,
      severity: 'orange',
      state: 'firing',
      startedAt,
      clearedAt: null,
      peak: 2.4,
      value: 2.4,
      ...more,
    } as const
    this.queue.record(alarm, by, this.clock.now())
    return this.alarms.get(alarm.id)!.case
  }

  async call(
    method: string,
    path: string,
    options: { token?: string | undefined; body?: unknown; headers?: Record<string, string> } = {},
  ): Promise<{ status: number; body: unknown; headers: Headers }> {
    const { token, body, headers = {} } = options
    const response = await fetch(this.origin + path, {
      method,
      headers: {
        ...(token !== undefined && { authorization: `Bearer ${token}` }),
        ...(body !== undefined && { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(body !== undefined && { body: typeof body === 'string' ? body : JSON.stringify(body) }),
    })
    const text = await response.text()
    const isJson = /json/.test(response.headers.get('content-type') ?? '')
    return {
      status: response.status,
      body: isJson && text !== '' ? JSON.parse(text) : text,
      headers: response.headers,
    }
  }
}
