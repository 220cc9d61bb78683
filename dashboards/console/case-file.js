import { call } from './api.js'
import { el } from './element.js'
import { thumbnail } from './photos.js'
import { dayTime } from './time.js'
import { explain, wordFor, words } from './words.js'

/**
 * What hangs on a case and is asked for only when somebody opens it, for looking at it is noted: photos, videos, and
 * the tickets of those who reported it.
 *
 * @param {object} item the case
 */
export function caseFile(item) {
  const box = el('div', { class: 'case-file' })
  const load = async () => {
    const path = `/cases/${encodeURIComponent(item.id)}`
    try {
      const [{ items: files }, { items: tickets }] = await Promise.all([
        call('GET', `${path}/files`),
        item.reports > 0 ? call('GET', `${path}/tickets`) : { items: [] },
      ])
      const seen = files.filter(({ kind }) => kind === 'photo' || kind === 'video')
      box.replaceChildren(
        ...(seen.length === 0
          ? []
          : [el('div', { class: 'photos' }, ...seen.map((file) => thumbnail(item.id, file)))]),
        ...tickets.map(drawTicket),
      )
    } catch (error) {
      box.replaceChildren(el('p', { class: 'failure' }, explain(error)))
    }
  }
  return { element: box, load: () => void load() }
}

function drawTicket(ticket) {
  const w = words()
  return el(
    'p',
    { class: 'ticket' },
    el('b', {}, `${w.report} ${ticket.ticket}`),
    el(
      'span',
      { class: 'quiet' },
      ` ${[dayTime(ticket.reportedAt), ticket.name, ticket.phone].filter(Boolean).join(' · ')}`,
    ),
    ticket.satisfaction !== null &&
      el('span', { class: 'quiet' }, ` · ${w.satisfaction} ${ticket.satisfaction.score}`),
    ticket.text !== '' && el('span', { class: 'text' }, ticket.text),
    ticket.result?.code && el('span', { class: 'quiet' }, wordFor('code', ticket.result.code)),
  )
}
