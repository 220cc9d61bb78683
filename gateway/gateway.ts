import { mkdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { hj212Wire } from '../adapters/hj212/binding.ts'
import { loadProfiles } from '../adapters/hj212/profile.ts'
import { opcuaWire } from '../adapters/opcua/binding.ts'
import { OpcuaSource } from '../adapters/opcua/source.ts'
import { BUILT_IN_PACKS, loadRules } from '../rules/pack.ts'
import { BackTests } from './backtest/back-tests.ts'
import { MqttBroker } from './broker/broker.ts'
import type { Config } from './config.ts'
import { ActionInbox } from './dispatch/action-inbox.ts'
import { Dispatch } from './dispatch/dispatch.ts'
import { dispatchSettings } from './dispatch-settings.ts'
import { categoriesOf } from '../rules/categories.ts'
import { areasOf, loadDistrict } from './district/district.ts'
import { streetsOf } from './district/routing.ts'
import { AtSites } from './district/site-attributes.ts'
import { Captures } from './evidence/captures.ts'
import { EvidenceKey } from './evidence/evidence-key.ts'
import { Evidence } from './evidence/evidence.ts'
import { historianConsumer } from './historian/historian.ts'
import { Recorder } from './historian/recorder.ts'
import { HttpServer } from './http/server.ts'
import { httpWire } from './http/speaks-for.ts'
import { ReadingIntake } from './ingest/intake.ts'
import { SqliteJournal } from './journal/journal.ts'
import { QuarantineReader } from './journal/quarantine.ts'
import { Judge } from './judge/judge.ts'
import { DrivenClock } from './driven-clock.ts'
import type { Log } from './log.ts'
import type { Clock } from './model/clock.ts'
import { durationMs } from './model/duration.ts'
import { loadKinds } from './model/kinds.ts'
import type { Part } from './model/pipeline.ts'
import { StrangerPhotos } from './people/stranger-photos.ts'
import type { Refusal } from './model/reading.ts'
import type { Principal } from './model/user.ts'
import { adminToken, isTooShort } from './registry/admin-token.ts'
import { CommandSender } from './registry/command-sender.ts'
import { ExpiryWatch } from './registry/expiry-watch.ts'
import { upstreamHealth, upstreams } from './upstream.ts'
import { AccountDesk } from './reports/account-desk.ts'
import { loadSectionSettings } from './reports/section-settings.ts'
import { Registry } from './registry/registry.ts'
import { StartError, startErrorOf } from './start-error.ts'
import { hj212Source } from './hj212.ts'
import { RuleBook } from './rule-book/rule-book.ts'
import { RuleTexts } from './rule-book/rule-texts.ts'

/** The ready line (contract §1): the ports as they really are. */
export interface Ready {
  readonly ready: true
  readonly mqtt: number
  readonly mqtts?: number
  readonly ws: number
  readonly http: number
  readonly hj212?: number
}

const { version } = JSON.parse(readFileSync(new URL('../package.json', import.meta.url), 'utf8')) as {
  version: string
}

/**
 * The judge's states follow from the journal and are written without an fsync: what they were derived from must
 * outlast the kernel's write-back (some 30 s), or a power cut could take an alarm with it.
 */
const SHORTEST_KEEP_MS = 120_000

/**
 * Only wiring. Data flows one way: sources → intake → journal → historian and judge → queue → publisher. Sinks
 * start before sources, so that nothing comes in before it can be dealt with, and stop after them.
 */
export class Gateway {
  readonly #config: Config
  readonly #clock: Clock
  readonly #log: Log
  /** Undone from the last to the first. */
  readonly #started: (() => Promise<void> | void)[] = []
  #starting: Promise<Ready> | undefined
  #isStopping = false

  constructor({ config, clock, log }: { config: Config; clock: Clock; log: Log }) {
    this.#config = config
    this.#clock = clock
    this.#log = log
  }

  /** Rejects with {@link StartError}; then `stop()` undoes what had been started. */
  async start(): Promise<Ready> {
    this.#starting = this.#start()
    try {
      return await this.#starting
    } catch (error) {
      throw startErrorOf(error, this.#config.dataDir)
    }
  }

  /**
   * Drains: what has come in is committed, what is committed stays for the next start. A start under way ends at
   * the part that it is at. A part that fails to stop, for its disk is full, keeps no other from stopping.
   */
  async stop(): Promise<void> {
    this.#isStopping = true
    await this.#starting?.catch(() => {})
    for (const undo of this.#started.splice(0).toReversed()) {
      try {
        await undo()
      } catch (error) {
        this.#log.error({ err: error }, 'a part did not stop as it should; what was acknowledged is on disk')
      }
    }
  }

  async #start(): Promise<Ready> {
    const config = this.#config
    const clock = this.#clock
    const log = this.#log
    const dataDir = openDataDir(config.dataDir)

    // What is data: a mistake in it ends the start before anything is opened.
    const kinds = loadKinds()
    const district = loadDistrict(config.district.file)
    const sections = loadSectionSettings(config.sections.file)
    const profiles = loadProfiles()
    const areas = areasOf(district)
    const categories = categoriesOf(district)
    const settings = dispatchSettings(config, dataDir)
    const packs = loadRules(config.rules.dir ?? BUILT_IN_PACKS, kinds, areas, categories)

    const registry = new Registry({
      file: join(dataDir, 'registry.db'),
      log,
      kinds,
      wires: [hj212Wire(profiles), opcuaWire, httpWire],
      token: adminToken(config.admin.token, dataDir),
      clock,
    })
    const { database, devices, users, secrets, audit, commands, lockouts, signIn, sessions } = registry
    this.#started.push(() => registry.close())
    // Logs lie elsewhere: there it outlasts whoever writes the file anew. A start that fails changes nothing in it.
    const auditHead = () => log.info({ audit: audit.head() ?? null }, 'head of the audit')
    let isUp = false
    this.#started.push(() => {
      if (isUp) auditHead()
    })
    if (isTooShort(config.admin.token))
      log.warn('admin.token is so short that it can be guessed, and it opens everything; set a longer one')

    const journalFile = join(dataDir, 'journal.db')
    const journal = new SqliteJournal({
      file: journalFile,
      keepMs: Math.max(durationMs(config.journal.keep), SHORTEST_KEEP_MS),
      maxPendingBytes: config.journal.maxPendingBytes,
      quarantineKeep: config.quarantine.keep,
      storedBy: historianConsumer(config.historian),
      clock,
      log,
    })
    await this.#run(journal)
    const quarantine = new QuarantineReader(journalFile)
    this.#started.push(() => quarantine.close())

    const dispatch = new Dispatch({
      database,
      district,
      devices,
      clock,
      log,
      audit,
      ...settings,
    })
    const { alarms, cases, queue } = dispatch
    const evidence = new Evidence({
      database,
      cases,
      queue,
      folder: join(dataDir, 'evidence'),
      limits: config.evidence,
      clock,
      log,
    })
    await this.#run(evidence)
    const { strangers: desk, limits } = dispatch.people
    const photos = new StrangerPhotos({ database, desk, evidence, limits, clock })
    const evidenceKey = new EvidenceKey(join(dataDir, 'pki', 'evidence'))
    evidenceKey.load()
    const recorder = new Recorder({ journal, journalFile, config: config.historian, dataDir, alarms, log })
    await this.#run(recorder)
    queue.onAlarm(() => recorder.notifyAlarms())
    queue.onChange(({ after, entries }) => {
      // What people wrote stays in the timeline, where it ends with the case.
      for (const { actor, action } of entries)
        if (actor !== 'gateway') audit.note(actor, `case.${action}`, after.id, after.state)
    })
    const ruleBook = new RuleBook({
      database,
      audit,
      clock,
      kinds,
      areas,
      categories,
      packs,
      log,
      adopt: (rules, along) => judge.adopt(rules, along),
    })
    ruleBook.load()
    new RuleTexts(database).keepFormer(clock.now())
    const captures = new Captures({
      database,
      alarms,
      cases,
      queue,
      evidence,
      devices,
      kinds,
      ruleBook,
      district,
      setup: { historian: config.historian, dataDir, journalFile, folder: join(dataDir, 'evidence') },
      head: () => journal.head(),
      stored: () => journal.cursor(recorder.consumer),
      clock,
      log,
    })
    const judge = new Judge({
      journal,
      database,
      book: queue,
      rules: ruleBook.rules(),
      config: {
        latenessMs: durationMs(config.rules.lateness),
        staleAfterMs: durationMs(config.rules.staleAfter),
      },
      devices: new AtSites(district).directory(devices),
      world: { kinds, areas },
      clock,
      log,
    })

    devices.onChange(({ what, id }) => {
      if (what === 'removed') judge.forget(id)
      if (what === 'created' || what === 'changed') {
        judge.heed(id)
        for (const line of judge.unreadable(id)) log.warn({ device: id }, line)
      }
      if (what === 'created' || what === 'changed' || what === 'removed') {
        hj212?.changed(id)
        opcua.deviceChanged()
      }
      if (what === 'removed' || what === 'secret') this.#showOut(broker, 'device', id, what === 'removed')
    })
    users.onChange(({ what, name }) => {
      if (what !== 'expiry' || isPast(users.expiryOf(name), clock))
        this.#showOut(broker, 'user', name, what === 'removed')
    })
    users.tokens.onRevoked(({ id }) => broker.endGrant(id))
    const expiryWatch = new ExpiryWatch(
      users,
      clock,
      (name) => this.#showOut(broker, 'user', name, false),
      (id) => broker.endGrant(id),
    )

    const intake = new ReadingIntake({
      kinds,
      devices,
      journal,
      clock,
      maxMessageBytes: config.mqtt.maxPacketBytes,
      reread: (raw) => hj212?.reread(raw) ?? null,
    })
    intake.restore()
    const refuse = (refusal: Refusal) => journal.append({ duplicates: 0, refusals: [refusal] })

    const broker = new MqttBroker({
      config,
      sessionsFile: join(dataDir, 'sessions.db'),
      intake,
      signIn,
      streetsOf: (team: string) => streetsOf(district, team),
      refuse,
      onStatus: (device, online, at) => devices.setPresence(device, online, at),
      onTeamAction: (user, payload, address) => audit.from(address, () => inbox.take(user, payload)),
      onCommandResult: (device, command, payload) => commands.answered(device, command, payload),
      clock,
      log,
    })
    const hj212 = hj212Source(config, {
      kinds,
      profiles,
      devices,
      intake,
      refuse,
      query: (query) => recorder.query(query),
      onPresence: (device, online, at) => devices.setPresence(device, online, at),
      onCommandResult: (device, command, result) =>
        commands.answered(device, command, Buffer.from(JSON.stringify(result))),
      clock,
      log,
    })
    const inbox = new ActionInbox(queue, broker, log)
    dispatch.publishThrough(broker)
    const carriers = hj212 === undefined ? [] : [hj212]
    const commandSender = new CommandSender(commands, broker, carriers, clock)
    queue.secondLook.commandThrough({
      send: (actor, request) => commandSender.send(actor, request),
      isReachable: (device) =>
        devices.presence(device)?.online === true || carriers.some((carrier) => carrier.carries(device)),
      isEnding: (alarm) => judge.isEnding(alarm),
    })
    commands.onAnswer((device, id, answer) => queue.secondLook.answered(device, id, answer))

    // The judge catches up with the journal and the queue says what the last run left unsaid, before new
    // readings come: a crew must not see a case after the alarm that has cleared it.
    await this.#run(judge)
    await this.#run(broker)
    await this.#run(expiryWatch)
    await this.#run(dispatch)
    await this.#run(captures)
    if (hj212 !== undefined) await this.#run(hj212)

    const pkiDir = join(dataDir, 'pki', 'opcua')
    const opcua = new OpcuaSource({ devices, kinds, intake, refuse, pkiDir, clock, log })
    const brokersAbove = await upstreams(config.upstream, dataDir, { intake, refuse, clock, log })
    const backTests = new BackTests(config, log)
    const accounts = new AccountDesk(join(dataDir, 'registry.db'), (drifted) => {
      log.error({ cases: drifted }, 'the ledger of cases was not what their timelines say; it is made anew')
      dispatch.ledger.refill()
    })
    const http = new HttpServer({
      host: config.http.host ?? config.host,
      port: config.http.port,
      trustedProxies: config.http.trustedProxies,
      version,
      log,
      clock,
      district,
      kinds,
      signIn,
      secrets,
      lockouts,
      sessions,
      devices,
      users,
      audit,
      commandSender,
      intake,
      journal,
      quarantine,
      recorder,
      ruleBook,
      backTests,
      sections,
      judge,
      alarms,
      cases,
      precisions: dispatch.precisions,
      accounts,
      supervision: dispatch.supervision,
      announcer: dispatch.announcer,
      queue,
      registers: dispatch.registers,
      evidence,
      captures,
      people: dispatch.people,
      photos,
      evidenceKey,
      publisher: broker,
      maxMessageBytes: config.mqtt.maxPacketBytes,
      messagesPerSecond: config.mqtt.messagesPerSecond,
      ...(clock instanceof DrivenClock && {
        moveClock: async (instant: number) => {
          await judge.settle()
          if (!clock.moveTo(instant)) return false
          await judge.settle()
          queue.settle()
          dispatch.registers.begin()
          dispatch.registers.settle()
          dispatch.announcer.settle()
          return true
        },
      }),
      strangers: () => hj212?.unknown() ?? [],
      connections: () => broker.connections(),
      lag: () => ({ historian: recorder.lag(), rules: judge.lag() }),
      health: {
        journal: () => journal.health(),
        historian: () => recorder.health(),
        rules: () => judge.health(),
        dispatch: () => queue.health(),
        evidence: () => captures.health(),
        announcements: () => dispatch.announcer.health(),
        broker: () => broker.health(),
        ...(brokersAbove.length > 0 && { upstream: () => upstreamHealth(brokersAbove) }),
        ...(hj212 !== undefined && { hj212: () => hj212.health() }),
        opcua: () => opcua.health(),
      },
    })
    await this.#run(http)
    // Before the server, which waits for answers.
    this.#started.push(() => backTests.stop())
    this.#started.push(() => accounts.stop())
    for (const upstream of brokersAbove) await this.#run(upstream)
    await this.#run(opcua)
    isUp = true
    auditHead()
    return {
      ready: true,
      ...broker.ports(),
      http: http.port(),
      ...(hj212 !== undefined && { hj212: hj212.port() }),
    }
  }

  /** Whose secret was replaced or who was removed has no connection any more, not only no new one. */
  #showOut(broker: MqttBroker, type: Principal['type'], name: string, forget: boolean): void {
    broker.expel(type, name, forget).catch((error: unknown) => {
      this.#log.error({ err: error, type, name }, 'an MQTT session could not be forgotten')
    })
  }

  async #run(part: Part): Promise<void> {
    this.#started.push(() => part.stop())
    await part.start()
    if (this.#isStopping) throw new StartError('told to stop before it was ready')
  }
}

function isPast(time: number | null, clock: Clock): boolean {
  return time !== null && time <= clock.now()
}

function openDataDir(dataDir: string): string {
  try {
    mkdirSync(dataDir, { recursive: true })
  } catch (error) {
    throw new StartError(`dataDir: ${dataDir}: ${(error as Error).message}`)
  }
  return dataDir
}
