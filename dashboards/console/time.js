import { locale, words } from './words.js'

const ZONE = 'Asia/Shanghai'

const format = (options) => (ms) =>
  new Intl.DateTimeFormat(locale(), { timeZone: ZONE, ...options }).format(ms)

export const clockTime = format({ hour: '2-digit', minute: '2-digit', second: '2-digit', hour12: false })
export const dayTime = format({
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  second: '2-digit',
  hour12: false,
})
export const longDay = format({ year: 'numeric', month: 'long', day: 'numeric', weekday: 'short' })

const dayOf = format({ year: 'numeric', month: '2-digit', day: '2-digit' })
const dayMinute = format({
  month: '2-digit',
  day: '2-digit',
  hour: '2-digit',
  minute: '2-digit',
  hour12: false,
})
/** The time of day, with the date where it is not today's. */
export const moment = (ms, now) => (dayOf(ms) === dayOf(now) ? clockTime(ms) : dayMinute(ms))

/** `4:59`, `1:04:59`, `2d 01:04`: as short as it can be read across a room. */
export function countdown(ms) {
  const seconds = Math.floor(Math.abs(ms) / 1000)
  const two = (n) => String(n).padStart(2, '0')
  const [d, h, m, s] = [seconds / 86_400, (seconds / 3600) % 24, (seconds / 60) % 60, seconds % 60].map(
    Math.floor,
  )
  if (d > 0) return `${d}${words().units.d} ${two(h)}:${two(m)}`
  return h > 0 ? `${h}:${two(m)}:${two(s)}` : `${m}:${two(s)}`
}

/** One unit is enough to say how old something is. */
export function age(ms) {
  const seconds = Math.max(0, Math.floor(ms / 1000))
  const { d, h, m, s } = words().units
  const text =
    seconds < 60
      ? `${seconds} ${s}`
      : seconds < 3600
        ? `${Math.floor(seconds / 60)} ${m}`
        : seconds < 86_400
          ? `${Math.floor(seconds / 3600)} ${h}`
          : `${Math.floor(seconds / 86_400)} ${d}`
  return words().ago(text)
}
