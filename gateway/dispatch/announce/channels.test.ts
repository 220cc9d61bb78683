import * as fc from 'fast-check'
import { Webhook } from 'standardwebhooks'
import { describe, expect, test } from 'vitest'
import { announcementOf } from './announcement.ts'
import type { Channel, Letter } from './channels/channel.ts'
import { dingtalk, dingtalkSignature } from './channels/dingtalk.ts'
import { feishu, feishuSignature } from './channels/feishu.ts'
import { webhook as webhookOf, webhookSignature } from './channels/webhook.ts'
import { wecom } from './channels/wecom.ts'
import { fitted, type Message } from './message.ts'
import { notice } from './notice.fixture.ts'
import { linkTarget, plainText, shortened } from './robot-text.ts'

const webhook = webhookOf({ source: 'urn:gridwhistle:chongchuan' })
const NOW = 1_700_000_000_000

const message: Message = {
  title: '新案件 · 橙色 · 唐闸镇',
  tone: 'warning',
  lines: ['油烟浓度超标 Cooking fume over the limit · restaurant-1', '响应时限：2024-06-01 12:10'],
  links: [{ text: '地图', url: 'https://uri.amap.com/marker?position=120.82,32.06&name=a(b)' }],
}
const letter = (more: Partial<Message> = {}): Letter => ({
  announcement: announcementOf([notice()], 5),
  message: { ...message, ...more },
})

describe('signatures are those of the vectors', () => {
  test('DingTalk: key = secret, over time and secret, in the query as the vector has it', () => {
    const signature = dingtalkSignature(1_700_000_000_000, 'SECtest')
    expect(encodeURIComponent(signature)).toBe('aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D')
    const url = 'https://oapi.dingtalk.com/robot/send?access_token=T'
    const request = dingtalk.request(letter(), { url, secret: 'SECtest' }, NOW)
    expect(request.url).toBe(
      `${url}&timestamp=1700000000000&sign=aZLLrriXgn05YbwaGR7knYsLeJADjr9NwLaNNKpxh4g%3D`,
    )
    expect(dingtalk.request(letter(), { url, secret: null }, NOW).url).toBe(url)
  })

  test('Feishu: key = time and secret, over nothing, in the body, in seconds', () => {
    expect(feishuSignature(1_700_000_000, 'test')).toBe('eSJQnOl8XqPTMPHWz9e5IzeHS/tqoc68g2967ekIPmg=')
    const url = 'https://open.feishu.cn/open-apis/bot/v2/hook/ID'
    const { body } = feishu.request(letter(), { url, secret: 'test' }, NOW + 999)
    expect(JSON.parse(body)).toMatchObject({
      timestamp: '1700000000',
      sign: 'eSJQnOl8XqPTMPHWz9e5IzeHS/tqoc68g2967ekIPmg=',
      msg_type: 'interactive',
    })
    expect(JSON.parse(feishu.request(letter(), { url, secret: null }, NOW).body)).not.toHaveProperty('sign')
  })

  test("webhook: the library of Standard Webhooks takes it, and takes no other body, id, secret or time's replay", () => {
    // The vector of the specification itself.
    expect(
      webhookSignature(
        'msg_p5jXN8AQM9LWM0D4loKWxJek',
        1_614_265_330,
        '{"test": 2432232314}',
        'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw',
      ),
    ).toBe('g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=')
    const secret = 'whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'
    const receiver = new Webhook(secret)
    const url = 'https://example.cn/hook'
    const now = Date.now()
    const { body, headers } = webhook.request(letter(), { url, secret }, now)
    expect(receiver.verify(body, { ...headers })).toMatchObject({ specversion: '1.0' })
    expect(() => receiver.verify(`${body} `, { ...headers })).toThrow()
    expect(() => receiver.verify(body, { ...headers, 'webhook-id': 'another' })).toThrow()
    const old = webhook.request(letter(), { url, secret }, now - 10 * 60_000)
    expect(() => receiver.verify(old.body, { ...old.headers })).toThrow()
    const other = webhook.request(letter(), { url, secret: 'whsec_AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA' }, now)
    expect(() => receiver.verify(other.body, { ...other.headers })).toThrow()
    // Any other secret is taken as its own bytes.
    const plain = webhook.request(letter(), { url, secret: 'plain words' }, now)
    expect(
      new Webhook('plain words', { format: 'raw' }).verify(plain.body, { ...plain.headers }),
    ).toBeTruthy()
  })
})

test('a webhook is a CloudEvent of version 1.0 in structured mode, with an id that stays', () => {
  const one = webhook.request(letter(), { url: 'https://example.cn/', secret: 's' }, NOW)
  expect(one.headers['content-type']).toBe('application/cloudevents+json; charset=utf-8')
  const event = JSON.parse(one.body)
  expect(event).toMatchObject({
    specversion: '1.0',
    id: '20240601-fume-1:1:opened',
    source: 'urn:gridwhistle:chongchuan',
    type: 'cn.gridwhistle.case.opened',
    subject: '20240601-fume-1',
    time: '2024-06-01T04:00:00.000Z',
    datacontenttype: 'application/json',
    data: {
      event: 'opened',
      case: { id: '20240601-fume-1', severity: 'orange', position: [120.8239, 32.0616] },
    },
  })
  expect(one.headers['webhook-id']).toBe(event.id)
  const again = webhook.request(letter(), { url: 'https://example.cn/', secret: 's' }, NOW + 60_000)
  expect(again.body).toBe(one.body)
  const merged = announcementOf([notice({ id: 'a' }), notice({ id: 'b' })], 100)
  const many = JSON.parse(
    webhook.request({ announcement: merged, message }, { url: 'https://example.cn/', secret: 's' }, NOW).body,
  )
  expect(many).toMatchObject({ type: 'cn.gridwhistle.case.merged', data: { count: 2 } })
  expect(many.data.events).toHaveLength(2)
})

const LINES = ['油烟浓度超标 Cooking fume over the limit · restaurant-1', '响应时限：2024-06-01 12:10']
const LINK = '[地图](https://uri.amap.com/marker?position=120.82,32.06&name=a%28b%29)'

/** Channel, address, the text in its body, what its limit counts, the limit in bytes, and the message above as a body. */
const ROBOTS: readonly [
  string,
  Channel,
  string,
  (body: string) => string,
  (body: string) => string,
  number,
  unknown,
][] = [
  [
    'WeCom',
    wecom,
    'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=K',
    (body) => JSON.parse(body).markdown.content,
    (body) => JSON.parse(body).markdown.content,
    4096,
    {
      msgtype: 'markdown',
      markdown: {
        content: `**<font color="warning">${message.title}</font>**\n> ${LINES[0]}\n> ${LINES[1]}\n${LINK}`,
      },
    },
  ],
  [
    'DingTalk',
    dingtalk,
    'https://oapi.dingtalk.com/robot/send?access_token=T',
    (body) => JSON.parse(body).markdown.text,
    (body) => body,
    20_000,
    {
      msgtype: 'markdown',
      markdown: {
        title: message.title,
        text: `#### ${message.title}\n\n> ${LINES[0]}\n\n> ${LINES[1]}\n\n${LINK}`,
      },
      at: { atMobiles: [], isAtAll: false },
    },
  ],
  [
    'Feishu',
    feishu,
    'https://open.feishu.cn/open-apis/bot/v2/hook/ID',
    (body) => JSON.stringify(JSON.parse(body).card),
    (body) => body,
    20_480,
    {
      msg_type: 'interactive',
      card: {
        config: { wide_screen_mode: true },
        header: { template: 'orange', title: { tag: 'plain_text', content: message.title } },
        elements: [{ tag: 'div', text: { tag: 'lark_md', content: `${LINES[0]}\n${LINES[1]}\n${LINK}` } }],
      },
    },
  ],
]

describe.each(ROBOTS)('%s', (_name, channel, url, contentOf, measured, limit, documented) => {
  const bodyOf = (more: Partial<Message>) =>
    channel.request(letter(more), { url, secret: channel === wecom ? null : 's' }, NOW).body

  test('the message is as documented', () => {
    expect(JSON.parse(channel.request(letter(), { url, secret: null }, NOW).body)).toEqual(documented)
  })

  test('whatever a message holds, it fits and its characters are whole', () => {
    const text = fc.string({ unit: 'grapheme', maxLength: 1500 })
    fc.assert(
      fc.property(text, fc.array(text, { maxLength: 12 }), (title, lines) => {
        const body = bodyOf({ title, lines })
        expect(Buffer.byteLength(measured(body))).toBeLessThanOrEqual(limit)
        expect(body.isWellFormed()).toBe(true)
        // The way to the rest of it stays.
        expect(contentOf(body)).toContain('uri.amap.com')
      }),
      { numRuns: 25 },
    )
  })

  test('nothing that devices or people wrote is markup, a tag, a mention or a link', () => {
    const evil =
      '<at id=all></at> [click](https://evil.example) **bold** `x` @all <@all> \n# head\u202E ![i](http://e/x)'
    const content = contentOf(bodyOf({ title: evil, lines: [evil], links: [] }))
    for (const active of ['<at', '](', '**bold', '`', '@', '://', '\u202E', '![', '\n# head'])
      expect(content).not.toContain(active)
    expect(content).toContain('click')
  })
})

test('no text has a character left that could be markup, however it is written', () => {
  fc.assert(
    fc.property(fc.array(fc.nat(0x10ffff)), (points) => {
      const text = String.fromCodePoint(...points, ...points.map((point) => point % 0x80))
      expect(plainText(text)).not.toMatch(/[<>[\]*_`#~|\\@&!$\p{Cc}\p{Cf}]|:\/\//u)
    }),
  )
  expect(linkTarget('https://a.cn/x?y=(1)&z=[2]#"<>\\ \n')).toBe(
    'https://a.cn/x?y=%281%29&z=%5B2%5D#%22%3C%3E%5C%20%0A',
  )
})

test('texts are cut between characters as people count them', () => {
  expect(shortened('油烟浓度超标', 4)).toBe('油烟浓…')
  expect(shortened('👨‍👩‍👧‍👦👨‍👩‍👧‍👦👨‍👩‍👧‍👦', 2)).toBe('👨‍👩‍👧‍👦…')
  expect(shortened('short', 5)).toBe('short')
  const cut = fitted({ ...message, lines: ['a', 'b', 'c', 'd'] }, 3, ({ lines }) => lines.length)
  expect(cut.lines).toEqual(['a', 'b', '…'])
})

describe('answers', () => {
  const said = (channel: Channel, body: unknown, status = 200) =>
    channel.verdict({ status, body: JSON.stringify(body) })

  test.each([
    [wecom, { errcode: 0, errmsg: 'ok' }, 'taken'],
    [wecom, { errcode: 45009, errmsg: 'api freq out of limit' }, 'later'],
    [wecom, { errcode: 93000, errmsg: 'invalid webhook url, hint: [170_1], from ip: 1.2.3.4' }, 'refused'],
    [wecom, { errcode: -1, errmsg: 'system busy' }, 'later'],
    [dingtalk, { errcode: 0, errmsg: 'ok' }, 'taken'],
    [dingtalk, { errcode: 130101, errmsg: 'send too fast, exceed 20 times per minute' }, 'later'],
    [dingtalk, { errcode: 310000, errmsg: 'sign not match' }, 'refused'],
    [dingtalk, { errcode: 310000, errmsg: 'keywords not in content' }, 'refused'],
    [feishu, { code: 0, msg: 'success', data: {} }, 'taken'],
    [feishu, { StatusCode: 0, StatusMessage: 'success' }, 'taken'],
    [feishu, { code: 11232, msg: 'frequency limited' }, 'later'],
    [
      feishu,
      { code: 19021, msg: 'sign match fail or timestamp is not within one hour from current time' },
      'refused',
    ],
    [feishu, { code: 19022, msg: 'Ip Not Allowed' }, 'refused'],
    [feishu, { code: 19024, msg: 'Key Words Not Found' }, 'refused'],
    [feishu, { code: 9499, msg: 'Bad Request' }, 'refused'],
  ] as const)('HTTP 200 is not yet taken: %# %j', (channel, body, type) => {
    expect(said(channel, body).type).toBe(type)
  })

  test('too often means a minute of silence, and the words of a refusal are kept without the hint behind them', () => {
    expect(said(wecom, { errcode: 45009, errmsg: 'x' })).toMatchObject({ afterMs: 60_000 })
    expect(said(dingtalk, { errcode: 130101, errmsg: 'x' })).toMatchObject({ afterMs: 60_000 })
    expect(said(feishu, { code: 11232, msg: 'x' }, 400)).toMatchObject({ type: 'later', afterMs: 60_000 })
    expect(
      said(wecom, { errcode: 93000, errmsg: 'invalid webhook url, hint: [1], from ip: 1.2.3.4' }),
    ).toEqual({
      type: 'refused',
      detail: 'errcode 93000 invalid webhook url',
    })
  })

  test.each([wecom, dingtalk, feishu])(
    'a page that is not the robot is a refusal, not a delivery',
    (channel) => {
      expect(channel.verdict({ status: 200, body: '<html>welcome</html>' }).type).toBe('refused')
    },
  )

  test.each([
    [200, 'taken'],
    [204, 'taken'],
    [301, 'refused'],
    [307, 'refused'],
    [400, 'refused'],
    [401, 'refused'],
    [404, 'refused'],
    [410, 'refused'],
    [408, 'later'],
    [425, 'later'],
    [429, 'later'],
    [500, 'later'],
    [503, 'later'],
  ] as const)('of a webhook %i is %s', (status, type) => {
    expect(webhook.verdict({ status, body: '' }).type).toBe(type)
    expect(webhook.verdict({ status, body: '', retryAfterMs: 7000 })).toMatchObject(
      type === 'later' ? { afterMs: 7000 } : {},
    )
  })
})

test('an address is shown with its tokens hidden', () => {
  const shown = (channel: Channel, url: string) => channel.masked(new URL(url))
  expect(shown(wecom, 'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=693a91f6')).toBe(
    'https://qyapi.weixin.qq.com/cgi-bin/webhook/send?key=***',
  )
  expect(shown(dingtalk, 'https://oapi.dingtalk.com/robot/send?access_token=566cc69d')).toBe(
    'https://oapi.dingtalk.com/robot/send?access_token=***',
  )
  expect(shown(feishu, 'https://open.feishu.cn/open-apis/bot/v2/hook/2f7a1c3e-9')).toBe(
    'https://open.feishu.cn/open-apis/bot/v2/hook/***',
  )
  expect(shown(webhook, 'https://example.cn/api/v1/hooks/T0A1/b2C3?token=x&y=1#z')).toBe(
    'https://example.cn/api/v1/hooks/***/***?token=***&y=***',
  )
  expect(shown(webhook, 'https://example.cn/hook?TOKEN-BY-ITSELF')).toBe('https://example.cn/hook?***')
})
