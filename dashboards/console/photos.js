import { call } from './api.js'
import { el } from './element.js'
import { explain, words } from './words.js'

const KINDS = 'image/jpeg,image/png,video/mp4'
/** Of one action. */
const MOST = 20

/** Where a file of a case is; the gateway notes who looks. */
export const fileUrl = (caseId, id) => `/api/v1/cases/${encodeURIComponent(caseId)}/files/${id}`

/**
 * Photos and videos for an action: each goes to the gateway as soon as it is chosen, so that a crew in the rain waits
 * while it writes its note and not afterwards. What is sent is part of the case, whether the action follows or not.
 *
 * @param {object} item the case
 * @returns {{element: HTMLElement, read: () => object, busy: () => boolean}}
 */
export function photoField(item) {
  const w = words()
  /** @type {string[]} */
  const files = []
  let underWay = 0
  const status = el('p', { class: 'hint', role: 'status' })
  const shown = el('div', { class: 'photos' })
  const input = el('input', {
    id: 'photos',
    type: 'file',
    accept: KINDS,
    capture: 'environment',
    multiple: true,
    onchange: () => {
      for (const file of [...input.files].slice(0, MOST - files.length)) void send(file)
      input.value = ''
    },
  })
  const tell = (text = '') => {
    status.textContent = underWay > 0 ? w.sending(underWay) : text
  }
  const send = async (file) => {
    underWay++
    tell()
    let failure = ''
    try {
      const form = new FormData()
      form.append('file', file)
      const kept = await call('POST', `/cases/${encodeURIComponent(item.id)}/files`, form)
      if (!files.includes(kept.id)) {
        files.push(kept.id)
        shown.append(thumbnail(item.id, kept))
      }
    } catch (error) {
      failure = `${file.name}: ${explain(error)}`
    }
    underWay--
    tell(failure)
  }
  return {
    element: el('div', { class: 'field' }, el('label', { for: 'photos' }, w.photos), input, status, shown),
    read: () => (files.length === 0 ? {} : { files }),
    busy: () => underWay > 0,
  }
}

/** A photo as a small picture that opens the whole one; a video as a link. */
export function thumbnail(caseId, file) {
  const url = fileUrl(caseId, file.id)
  const w = words()
  return el(
    'a',
    { class: 'thumbnail', href: url, target: '_blank', rel: 'noopener' },
    file.kind === 'photo'
      ? el('img', { src: url, alt: w.photoBy(file.by), loading: 'lazy', width: 72, height: 72 })
      : `▶ ${w.video}`,
  )
}
