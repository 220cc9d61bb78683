/**
 * The clock of a case that runs: `respond` until somebody accepted it, `arrive` until somebody was on site,
 * then `resolve` until it is handled; none while it is suspended and once it is handled.
 *
 * @returns {{name: 'respond' | 'arrive' | 'resolve', from: number, by: number} | null}
 */
export function runningClock(item) {
  if (!['queued', 'dispatched', 'accepted', 'on_site'].includes(item.state)) return null
  const done = new Set(item.timeline.map((entry) => entry.action))
  const name = !done.has('accept') ? 'respond' : !done.has('arrive') ? 'arrive' : 'resolve'
  return { name, from: item.queuedAt, by: item[`${name}By`] }
}

/** Contract §4: blue when 75 % is gone, yellow when it has passed, red when it has passed by as much again. */
export function colourAt(clock, now) {
  const gone = (now - clock.from) / (clock.by - clock.from)
  if (gone >= 2) return 'red'
  if (gone >= 1) return 'yellow'
  return gone >= 0.75 ? 'blue' : 'none'
}
