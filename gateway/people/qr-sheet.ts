import { createHash } from 'node:crypto'
import qrcode from 'qrcode'
import type { ReportPlace } from './places.ts'

/** A place's printed code. */
export interface Print {
  readonly place: Pick<ReportPlace, 'id' | 'title'>
  /** Of its street, for whoever hangs it up. */
  readonly street: { readonly zh: string; readonly en: string } | undefined
  /** What the code holds. */
  readonly url: string
}

/** Where the page behind a code is; `base` as people reach the gateway, with or without a slash at its end. */
export function reportUrl(base: string, code: string): string {
  return `${base.replace(/\/+$/, '')}/r/${code}`
}

/** The code alone, for a designer. A quarter of it may be dirty or torn (level Q). */
export async function qrSvg(url: string): Promise<string> {
  return await qrcode.toString(url, { type: 'svg', errorCorrectionLevel: 'Q', margin: 4 })
}

const STYLE = `
@page { size: A4; margin: 10mm }
* { box-sizing: border-box }
body { margin: 0; font-family: 'Noto Sans SC', 'Noto Sans CJK SC', 'PingFang SC', 'Microsoft YaHei', sans-serif; color: #10202b }
main { display: grid; grid-template-columns: repeat(2, 1fr); gap: 6mm; padding: 6mm }
article { break-inside: avoid; border: 0.4mm solid #10202b; border-radius: 4mm; padding: 6mm; text-align: center; min-height: 128mm; display: flex; flex-direction: column; align-items: center }
h1 { margin: 0; font-size: 8mm; letter-spacing: 1mm }
.en { margin: 0 0 2mm; font-size: 3.6mm; color: #3c5260 }
svg { width: 62mm; height: 62mm }
h2 { margin: 1mm 0 0; font-size: 5.4mm; overflow-wrap: anywhere }
p { margin: 0.6mm 0; font-size: 3.6mm; overflow-wrap: anywhere }
.how { margin-top: auto; padding-top: 2mm }
.url { font: 2.4mm/1.3 ui-monospace, monospace; color: #3c5260 }
@media print { main { padding: 0 } }
`

/** For the Content-Security-Policy of a page that holds {@link qrSheet}: its one style, and nothing else. */
export const SHEET_POLICY = `default-src 'none'; style-src 'sha256-${createHash('sha256').update(STYLE).digest('base64')}'; frame-ancestors 'none'; base-uri 'none'; form-action 'none'`

/** Cards to print and to cut out, four on an A4 page. */
export async function qrSheet(
  district: { readonly zh: string; readonly en: string },
  prints: readonly Print[],
): Promise<string> {
  const cards = await Promise.all(prints.map(card))
  const title = escaped(`随手拍 · ${district.zh}`)
  return `<!doctype html>
<html lang="zh-CN">
<head><meta charset="utf-8"><meta name="viewport" content="width=device-width, initial-scale=1"><title>${title}</title><style>${STYLE}</style></head>
<body><main>
${cards.join('\n')}
</main></body>
</html>
`
}

async function card({ place, street, url }: Print): Promise<string> {
  const where = street === undefined ? '' : `<p>${escaped(street.zh)} · ${escaped(street.en)}</p>`
  return `<article>
<h1>随手拍</h1><p class="en">See it? Scan and tell us.</p>
${await qrSvg(url)}
<h2>${escaped(place.title.zh)}</h2><p>${escaped(place.title.en)}</p>${where}
<p class="how">微信或相机扫码，10 分钟内有人受理，结果可查。</p><p>Answered within 10 minutes; you can follow what happens.</p>
<p class="url">${escaped(url)}</p>
</article>`
}

const ENTITIES: Readonly<Record<string, string>> = {
  '&': '&amp;',
  '<': '&lt;',
  '>': '&gt;',
  '"': '&quot;',
  "'": '&#39;',
}

function escaped(text: string): string {
  return text.replaceAll(/[&<>"']/g, (char) => ENTITIES[char]!)
}
