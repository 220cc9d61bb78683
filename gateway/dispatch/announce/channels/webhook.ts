import { createHmac } from 'node:crypto'
import { HIDDEN, httpVerdict, type Channel, type Letter } from './channel.ts'

/**
 * Any program: CloudEvents 1.0 in structured mode, one event a POST, signed after Standard Webhooks
 * (https://www.standardwebhooks.com), for which there are libraries in most languages. The README beside this folder
 * tells receivers what to check. Nothing is merged unless the subscription sets a rate.
 */
const DAY = 86_400_000
const CONTENT_TYPE = 'application/cloudevents+json; charset=utf-8'
/** Reverse domain, as CloudEvents recommends. */
const TYPE = 'cn.gridwhistle.case'

export interface EventSource {
  /** URI of this gateway's district; with the id it makes an event unique. */
  readonly source: string
}

export function webhook({ source }: EventSource): Channel {
  return {
    limits: [],
    merge: { most: 100, shown: 100 },
    expiresMs: DAY,
    fault: () => null,
    masked: maskedAddress,
    request: (letter, { url, secret }, now) => {
      const { id } = letter.announcement
      const body = JSON.stringify(cloudEvent(letter, source))
      const seconds = Math.floor(now / 1000)
      return {
        url,
        headers: {
          'content-type': CONTENT_TYPE,
          'webhook-id': id,
          'webhook-timestamp': String(seconds),
          ...(secret !== null && {
            'webhook-signature': `v1,${webhookSignature(id, seconds, body, secret)}`,
          }),
        },
        body,
      }
    },
    verdict: httpVerdict,
  }
}

/** Base64 of HMAC-SHA256 over `{id}.{seconds}.{body}`. Behind `whsec_` the key is Base64, else the secret's own bytes. */
export function webhookSignature(id: string, timestamp: number, body: string, secret: string): string {
  const key = secret.startsWith('whsec_') ? Buffer.from(secret.slice('whsec_'.length), 'base64') : secret
  return createHmac('sha256', key).update(`${id}.${timestamp}.${body}`).digest('base64')
}

function cloudEvent({ announcement, message }: Letter, source: string) {
  const { id, at, notices, count } = announcement
  const [first] = notices
  const text = [message.title, ...message.lines].join('\n')
  const common = {
    specversion: '1.0',
    id,
    source,
    time: new Date(at).toISOString(),
    datacontenttype: 'application/json',
  }
  if (first === undefined) return { ...common, type: `${TYPE}.test`, data: { text } }
  if (count === 1)
    return { ...common, type: `${TYPE}.${first.event}`, subject: first.case.id, data: { ...first, text } }
  return { ...common, type: `${TYPE}.merged`, data: { count, events: notices, text } }
}

/** Words stay, so that people recognise the address; whatever could be a token does not. */
function maskedAddress(url: URL): string {
  const path = url.pathname
    .split('/')
    .map((step) => (/^([a-z-]{0,24}|v\d)$/i.test(step) ? step : HIDDEN))
    .join('/')
  // `?TOKEN`: where there is no value, the name may be it.
  const query = [...url.searchParams]
    .map(([key, value]) => (value === '' ? HIDDEN : `${encodeURIComponent(key)}=${HIDDEN}`))
    .join('&')
  return `${url.origin}${path}${query === '' ? '' : `?${query}`}`
}
