import { stringify } from 'yaml'
import { categoryOf, teamOf } from '../district/routing.ts'
import { entryTerm, TERMS, type Term } from '../dispatch/terms.ts'
import type { Alarm } from '../model/alarm.ts'
import type { Case, TimelineEntry } from '../model/case.ts'
import type { District } from '../model/district.ts'
import type { ChainedEntry } from './chain.ts'
import { chart } from './chart.ts'
import type { Context } from './context.ts'
import type { EvidenceFile } from './evidence.ts'
import type { PublicEvidenceKey } from './evidence-key.ts'
import { html, localTime, type Html } from './html.ts'
import { limitLines } from './limit-lines.ts'
import { sketches, type Place } from './map.ts'
import type { RawFrame } from './raw-frames.ts'
import { REPORT_STYLE } from './report-style.ts'
import type { Series } from './series.ts'
import type { Window } from './windows.ts'

export interface ReportRequest {
  readonly case: Case
  readonly alarms: readonly Alarm[]
  readonly chain: readonly ChainedEntry[]
  readonly files: readonly EvidenceFile[]
  /** Name of a file in the archive; undefined when its bytes are gone. */
  readonly nameOf: (id: string) => string | undefined
  /** The latest one that was frozen; null when nothing was. */
  readonly context: Context | null
  readonly series: readonly Series[]
  /** Messages around the beginnings of the alarms, in their order. */
  readonly frames: readonly RawFrame[]
  readonly span: Window
  readonly district: District
  readonly key: PublicEvidenceKey
}

/** Photos that the page shows; the rest lies beside it. */
const PHOTOS_SHOWN = 60

/**
 * The case as a page to read and to print, in Chinese and English: one file that loads nothing but the photos beside it
 * and runs nothing. Whatever comes from devices and people is escaped.
 */
export function reportOf(request: ReportRequest): string {
  const { case: found, context, chain, key } = request
  const page = html`<!doctype html>
    <html lang="zh-CN">
      <head>
        <meta charset="utf-8" />
        <meta
          http-equiv="Content-Security-Policy"
          content="default-src 'none'; img-src 'self' file:; style-src 'unsafe-inline'"
        />
        <meta name="viewport" content="width=device-width, initial-scale=1" />
        <title>${found.title} ${found.id}</title>
        <style>
          ${STYLE}
        </style>
      </head>
      <body>
        <header>
          <div class="kicker">
            一哨一档 · One whistle, one file · ${request.district.title.zh} ${request.district.title.en}
          </div>
          <h1>${found.title}</h1>
          <span class="badge ${found.severity}">${both(TERMS.severity[found.severity])}</span
          ><span class="badge">${both(TERMS.state[found.state])}</span
          >${found.closeCode !== null && html`<span class="badge">${both(TERMS.closeCode[found.closeCode])}</span>`}${found.supervised && html`<span class="badge red">督办 Supervised</span>`}${found.simulated && html`<span class="badge">模拟 Simulated</span>`}
        </header>
        ${facts(request)} ${heading('时限', 'Deadlines')}${deadlineTable(found, toldUntil(request))}
        ${heading('当值', 'On duty')}${duty(context)}
        ${heading('监测数据', 'Readings around the alarms')}${charts(request)}
        ${heading('原始报文', 'Raw messages')}${rawFrames(request)}
        ${heading('位置', 'Where')}${sketches(request.district, found.position, placesOf(chain))}
        <p class="note">
          示意图，不用于测量；坐标为 WGS-84。数字为时间线序号。 Sketches, not for measuring; numbers are those
          of the timeline.
        </p>
        ${heading('时间线', 'Timeline')}${timelineTable(request)}
        ${heading('照片和视频', 'Photos and videos')}${photos(request)}
        ${heading('规则', 'Rules')}${rules(context)}
        ${heading('设备与校准', 'Devices and calibration')}${devices(context)}
        <footer>
          <p>
            时间线各条以 SHA-256 相连，末条： Entries are chained by SHA-256; the last one is<br /><span
              class="hash"
              >${chain.at(-1)?.hash}</span
            >
          </p>
          <p>
            本档案由网关签名，公钥指纹： Signed by the gateway; fingerprint of its key<br /><span class="hash"
              >${key.fingerprint}</span
            >
          </p>
          <p>
            核验 Verify:
            <code>gridwhistle case verify FILE.zip --key ${key.fingerprint}</code>。时间均为北京时间。 All
            times are Asia/Shanghai.
          </p>
        </footer>
      </body>
    </html> `
  return page.text
}

// Our own text, and nothing in it that ends the element.
const STYLE = html([REPORT_STYLE] as unknown as TemplateStringsArray)

function facts({ case: found, alarms, district }: ReportRequest): Html {
  const named = (title: Term | undefined, id: string) => (title === undefined ? id : `${both(title)} (${id})`)
  const street = district.streets.find(({ id }) => id === found.street)
  const site = district.sites?.find(({ id }) => id === found.site)
  const rows: [string, string, unknown][] = [
    ['编号', 'Case', found.id],
    ['类别', 'Category', named(categoryOf(district, found.category)?.title, found.category)],
    ['场所', 'Site', named(site?.title, found.site)],
    ['街道 / 网格', 'Street, grid', `${named(street?.title, found.street)} / ${found.grid}`],
    ['负责', 'Answers for it', found.team === null ? '—' : teamName(district, found.team)],
    ['处置', 'Crew', found.crew === null ? '—' : teamName(district, found.crew)],
    ['立案', 'Queued', localTime(found.queuedAt)],
    ['告警', 'Alarms', alarms.length],
  ]
  return html`<dl>
    ${rows.map(
      ([zh, en, value]) =>
        html`<dt>${zh} <small>${en}</small></dt>
          <dd>${value}</dd>`,
    )}
  </dl>`
}

/** 唐闸镇网格巡查组 Tangzha Town grid crew (tangzhazhen-crew). */
function teamName(district: District, id: string): string {
  const team = teamOf(district, id)
  return team === undefined ? id : `${both(team.title)} (${id})`
}

/** The latest moment that the file knows of, epoch ms: what was due before and was not done was missed. */
function toldUntil({ case: found, chain, context }: ReportRequest): number {
  return Math.max(found.queuedAt, context?.frozenAt ?? 0, ...chain.map(({ entry }) => entry.at))
}

/** Nobody came: was nobody there? */
function duty(context: Context | null): Html {
  if (context?.duty === undefined) return html`<p class="soft">未固定。 Not frozen.</p>`
  return html`<table>
      <thead>
        <tr>
          <th>队伍 <small>Team</small></th>
          <th>层级 <small>Level</small></th>
          <th>当值人员 <small>On duty</small></th>
        </tr>
      </thead>
      <tbody>
        ${context.duty.map(
          ({ team, level, title, members }) =>
            html`<tr>
              <td>${both(title)} <span class="soft">${team}</span></td>
              <td>${level === 'department' ? '部门 Department' : both(TERMS.level[level])}</td>
              <td>
                ${
                  members === null
                    ? '无值班表，视为常在 no roster: always there'
                    : members.length === 0
                      ? html`<span class="missed">无人当值 Nobody</span>`
                      : members.map(({ name }) => name).join('、')
                }
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
    <p class="note">
      立案时可派的队伍，依当时的城区文件。 Teams that the case could have gone to when it was queued, by the
      district file of the time.
    </p>`
}

/** When a clock's step was taken first, and for the last of them last: rework counts until it is done. */
function takenAt(timeline: readonly TimelineEntry[], action: string): number | undefined {
  const entries = timeline.filter((entry) => entry.action === action)
  return (action === 'handle' ? entries.at(-1) : entries[0])?.at
}

function deadlineTable(found: Case, until: number): Html {
  const rows = [
    { term: TERMS.clock.respond, by: found.respondBy, at: takenAt(found.timeline, 'accept') },
    { term: TERMS.clock.arrive, by: found.arriveBy, at: takenAt(found.timeline, 'arrive') },
    { term: TERMS.clock.resolve, by: found.resolveBy, at: takenAt(found.timeline, 'handle') },
  ]
  return html`<table>
    <thead>
      <tr>
        <th></th>
        <th>时限 <small>Due</small></th>
        <th>实际 <small>Done</small></th>
        <th>用时 <small>Took</small></th>
        <th></th>
      </tr>
    </thead>
    <tbody>
      ${rows.map(
        ({ term, by, at }) =>
          html`<tr>
            <td>${both(term)}</td>
            <td class="time">${localTime(by)}</td>
            <td class="time">${at === undefined ? '—' : localTime(at)}</td>
            <td class="time">${at === undefined ? '' : lasted(at - found.queuedAt)}</td>
            <td>${verdict(by, at, until)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`
}

function verdict(by: number, at: number | undefined, until: number): Html {
  if (at === undefined && until > by) return html`<span class="missed">超时未完成 Missed, not done</span>`
  if (at === undefined) return html`<span class="soft">未完成 Not done</span>`
  if (at <= by) return html`<span class="kept">按时 Kept</span>`
  return html`<span class="missed">超时 Missed by ${lasted(at - by)}</span>`
}

/** `1 h 05 min`, `4 min 20 s`. */
function lasted(ms: number): string {
  const seconds = Math.max(0, Math.round(ms / 1000))
  const two = (value: number) => String(value).padStart(2, '0')
  const hours = Math.floor(seconds / 3600)
  const minutes = Math.floor(seconds / 60) % 60
  return hours > 0 ? `${hours} h ${two(minutes)} min` : `${minutes} min ${two(seconds % 60)} s`
}

function charts({ case: found, context, series, span, alarms }: ReportRequest): Html {
  if (context === null) return html`<p class="soft">尚未固定。 Nothing has been frozen yet.</p>`
  if (series.length === 0) return html`<p class="soft">告警前后没有读数。 No readings around the alarms.</p>`
  const kinds = new Map(context.kinds.map((kind) => [kind.id, kind]))
  const drawn = series.map((one) => {
    const device = context.devices.find(({ id }) => id === one.device)
    const kind = alarms.find(({ device: id }) => id === one.device)?.kind ?? device?.kind ?? ''
    const metric = kinds.get(kind)?.metrics[one.metric]
    const own = alarms.filter(({ device: id }) => id === one.device)
    const limits = context.rules.flatMap(({ id, rule }) =>
      rule !== null && own.some((alarm) => alarm.rule === id) ? limitLines(rule, device) : [],
    )
    const here = limits.filter((line) => line.metric === one.metric)
    const name = metric === undefined ? one.metric : `${metric.title.zh} ${metric.title.en}`
    return {
      limits: here,
      picture: chart({
        series: one,
        title: series.every(({ device: id }) => id === one.device) ? name : `${one.device} · ${name}`,
        unit: metric?.unit ?? '',
        span,
        windows: context.windows,
        limits: here,
        alarms: own,
      }),
    }
  })
  const { readings, frames } = context.counts
  return html`${drawn.toSorted((one, other) => Math.sign(other.limits.length) - Math.sign(one.limits.length)).map(({ picture }) => picture)}
    <p class="note">
      实线为均值，色带为最小至最大值，虚线为规则限值，底色为告警时段，字母为数据标记（M 维护，C 校准，D 故障
      …，不参与判定）。 Line: mean; band: least to greatest; dashed: limits of the rule; shaded: alarm;
      letters: data marks, which take no part in thresholds. ${readings} 条读数 readings, ${frames} 条报文
      messages, ${localTime(context.frozenAt)} 固定
      frozen.${
        (context.capped.readings || context.capped.frames || context.leftOut.length > 0) &&
        ' 数据过多，只固定了一部分。 There was more than is frozen: see context.json.'
      }${found.simulated && ' 模拟设备。 Simulated devices.'}
    </p>`
}

function rawFrames({ frames, context }: ReportRequest): Html {
  if (frames.length === 0) return html`<p class="soft">无。 None.</p>`
  const masked = frames.some(({ wire }) => wire !== undefined && wire.masked.length > 0)
  const others = (context?.counts.frames ?? frames.length) - frames.length
  return html`<table>
      <thead>
        <tr>
          <th>收到时间 <small>Received</small></th>
          <th>设备 <small>Device</small></th>
          <th>报文 <small>Message</small></th>
        </tr>
      </thead>
      <tbody>
        ${frames.map(
          ({ device, receivedAt, wire, texts, damage }) =>
            html`<tr>
              <td class="time">${localTime(receivedAt)}</td>
              <td>${device}</td>
              <td>
                ${texts.map((text, i) => html`${i > 0 && html`<br />`}<code class="raw">${text}</code>`)}
                ${
                  wire !== undefined &&
                  html`<br /><span class="soft"
                      >${wire.wire}${wire.encoding !== undefined && ` (${wire.encoding})`} · 收到时校验正确
                      checksum right when received: ${wire.checksum}</span
                    >`
                }${damage !== undefined && html`<br /><span class="missed">${damage}</span>`}
              </td>
            </tr>`,
        )}
      </tbody>
    </table>
    <p class="note">
      离告警开始最近的报文${others > 0 && html`，另有 ${others} 条见 frames.jsonl`}。 Those nearest to the
      beginnings of the
      alarms${others > 0 && html`; ${others} more are in frames.jsonl`}.${
        masked &&
        ' 密码 (PW) 及可推出密码的校验码以 * 遮盖。 The password (PW) is masked by *, and so is the checksum, which would help to guess it.'
      }
    </p>`
}

function placesOf(chain: readonly ChainedEntry[]): Place[] {
  return chain.flatMap(({ number, entry: { position, offSite } }) =>
    position === null ? [] : [{ label: String(number), position, isAway: offSite !== undefined }],
  )
}

function timelineTable({ chain, nameOf, district }: ReportRequest): Html {
  return html`<table>
    <thead>
      <tr>
        <th>#</th>
        <th>时间 <small>Time</small></th>
        <th>人员 <small>Who</small></th>
        <th>事项 <small>What</small></th>
        <th>说明 <small>Details</small></th>
      </tr>
    </thead>
    <tbody>
      ${chain.map(
        ({ number, entry }) =>
          html`<tr>
            <td class="number">${number}</td>
            <td class="time">${localTime(entry.at)}</td>
            <td>${entry.actor === 'gateway' ? '网关' : entry.actor}</td>
            <td>${both(entryTerm(entry.action))}</td>
            <td>${details(entry, nameOf, district)}</td>
          </tr>`,
      )}
    </tbody>
  </table>`
}

function details(entry: TimelineEntry, nameOf: ReportRequest['nameOf'], district: District): Html {
  const { note, position, files, team, offSite, until, code, clock, department, reason, publicNote } = entry
  const lines = [
    entry.action === 'evidence_frozen' ? FROZEN_FOR[note ?? ''] : note,
    clock !== undefined && both(TERMS.clock[clock]),
    department !== undefined && teamName(district, department),
    team !== undefined && `→ ${teamName(district, team)}`,
    reason,
    publicNote !== undefined && `告知反映人 told to those who reported it: ${publicNote}`,
    code !== undefined && both(TERMS.closeCode[code]),
    until !== undefined && `至 until ${localTime(until)}`,
    position !== null &&
      html`<span class="soft">${position.map((degrees) => Number(degrees.toFixed(6))).join(', ')}</span>`,
    offSite !== undefined && html`<span class="missed">距现场 ${offSite} m from the site</span>`,
    ...files.map((id) => {
      const name = nameOf(id)
      return name === undefined
        ? html`<code>${id}</code>`
        : html`<a href="${name}"
            ><code>${name.length > 40 ? `${name.slice(0, 18)}…${name.slice(-5)}` : name}</code></a
          >`
    }),
  ].filter((line) => line !== null && line !== undefined && line !== false && line !== '')
  return html`${lines.map((line, i) => html`${i > 0 && html`<br />`}${line}`)}`
}

const FROZEN_FOR: Readonly<Record<string, string>> = {
  opened: '立案后 after it was opened',
  alarm_ended: '告警解除后 after an alarm ended',
  handled: '处置后 after it was handled',
  closed: '结案后 after it was closed',
  exported: '导出前 before an export',
}

function photos({ files, nameOf }: ReportRequest): Html {
  const own = files.filter(({ kind }) => kind === 'photo' || kind === 'video')
  if (own.length === 0) return html`<p class="soft">无。 None.</p>`
  return html`<div class="photos">
      ${own.slice(0, PHOTOS_SHOWN).map(({ id, kind, at, by, claimed }) => {
        const name = nameOf(id)
        const picture =
          name === undefined
            ? html`<span class="missed">文件缺失 The file is gone</span>`
            : kind === 'photo'
              ? html`<a href="${name}"><img src="${name}" alt="" /></a>`
              : html`<a class="film" href="${name}">▶ 视频 video<br />${name.slice(6, 14)}….mp4</a>`
        return html`<figure>
          ${picture}
          <figcaption>
            ${localTime(at)} ·
            ${by}${claimed?.takenAt !== undefined && html`<br />自称拍摄于 claims ${claimed.takenAt}`}${claimed?.position !== undefined && html`<br />自称位置 claims ${claimed.position.join(', ')}`}
          </figcaption>
        </figure>`
      })}
    </div>
    <p class="note">
      时间为网关收到的时间；照片自带的 EXIF 仅供参考。 Times are when the gateway received them; what EXIF
      claims counts for nothing.${own.length > PHOTOS_SHOWN && ` +${own.length - PHOTOS_SHOWN}`}
    </p>`
}

function rules(context: Context | null): Html {
  if (context === null || context.rules.length === 0) return html`<p class="soft">无。 None.</p>`
  return html`${context.rules.map(({ id, version, rule }) =>
    rule === null
      ? html`<p>${id} · ${version}: <span class="soft">该版本未保留。 This version is not kept.</span></p>`
      : html`<p>
            <b>${rule.title.zh} ${rule.title.en}</b> · ${id} · 版本 version ${version}<br /><span class="soft"
              >${rule.basis}</span
            >
          </p>
          <pre>${stringify(rule)}</pre>`,
  )}`
}

function devices(context: Context | null): Html {
  if (context === null || context.devices.length === 0) return html`<p class="soft">无。 None.</p>`
  const { marks, attributes } = context.calibration
  const site =
    context.site === null
      ? false
      : html`<p class="soft">场所登记 Record of the site</p>
          <pre>${stringify(context.site)}</pre>`
  return html`<table>
      <thead>
        <tr>
          <th>设备 <small>Device</small></th>
          <th>类型 <small>Kind</small></th>
          <th>属性 <small>Attributes</small></th>
          <th>标记 <small>Marks in the time shown</small></th>
        </tr>
      </thead>
      <tbody>
        ${context.devices.map((device) => {
          const seen = marks.filter((mark) => mark.device === device.id)
          const kind = context.kinds.find(({ id }) => id === device.kind)
          const told = { ...device.attributes, ...attributes[device.id] }
          return html`<tr>
            <td>${device.id}</td>
            <td>${kind === undefined ? device.kind : `${kind.title.zh} ${kind.title.en}`}</td>
            <td>
              ${Object.entries(told).map(([name, value], i) => html`${i > 0 && html`<br />`}${name}: ${value}`)}
            </td>
            <td>
              ${seen.length === 0 ? '均为正常 all normal' : seen.map(({ metric, flag, first, last, count }, i) => html`${i > 0 && html`<br />`}${metric} ${flag} ×${count}, ${localTime(first, 'LL-dd HH:mm')} – ${localTime(last, 'HH:mm')}`)}
            </td>
          </tr>`
        })}
      </tbody>
    </table>
    ${site}`
}

function heading(zh: string, en: string): Html {
  return html`<h2>${zh} <small>${en}</small></h2>`
}

function both({ zh, en }: Term): string {
  return zh === en ? zh : `${zh} ${en}`
}
