/** Style of the report: for the screen and for A4 paper. Part of the page: it loads nothing. */
export const REPORT_STYLE = `
:root { color-scheme: light; --ink: #1c2733; --soft: #5b6b7b; --rule: #d9e0e7; --ground: #f5f7f9;
  --blue: #2f6fde; --yellow: #b98900; --orange: #d9600f; --red: #c4262e; --good: #1d7f4e; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 860px; padding: 28px 30px 40px; color: var(--ink); background: #fff;
  font: 14px/1.55 system-ui, "Noto Sans CJK SC", "Microsoft YaHei", "PingFang SC", sans-serif; }
header { border-bottom: 3px solid var(--ink); padding-bottom: 12px; margin-bottom: 18px; }
.kicker { color: var(--soft); font-size: 13px; letter-spacing: .04em; }
h1 { font-size: 24px; line-height: 1.3; margin: 4px 0 8px; }
h2 { font-size: 16px; margin: 28px 0 10px; padding-bottom: 4px; border-bottom: 1px solid var(--rule); break-after: avoid; }
h2 small, th small, dt small { font-weight: 400; color: var(--soft); }
.badge { display: inline-block; padding: 1px 9px; border-radius: 10px; color: #fff; background: var(--soft); font-size: 13px; margin-right: 6px; }
.badge.blue { background: var(--blue); } .badge.yellow { background: var(--yellow); }
.badge.orange { background: var(--orange); } .badge.red { background: var(--red); }
dl { display: grid; grid-template-columns: max-content 1fr max-content 1fr; gap: 4px 14px; margin: 0; }
dt { color: var(--soft); } dd { margin: 0; overflow-wrap: anywhere; }
table { width: 100%; border-collapse: collapse; font-size: 13px; }
th { text-align: left; white-space: nowrap; color: var(--soft); font-weight: 600; border-bottom: 1px solid var(--ink); padding: 4px 8px 4px 0; }
td { border-bottom: 1px solid var(--rule); padding: 5px 8px 5px 0; vertical-align: top; overflow-wrap: anywhere; }
tr { break-inside: avoid; }
td.number, td.time { white-space: nowrap; font-variant-numeric: tabular-nums; }
.kept { color: var(--good); font-weight: 600; } .missed { color: var(--red); font-weight: 600; }
.soft, .note { color: var(--soft); } .note { font-size: 12.5px; margin: 6px 0 0; }
code, .hash { font: 11px/1.4 ui-monospace, "DejaVu Sans Mono", monospace; overflow-wrap: anywhere; color: var(--soft); }
code.raw { color: var(--ink); word-break: break-all; }
pre { background: var(--ground); padding: 10px 12px; font: 12px/1.5 ui-monospace, "DejaVu Sans Mono", monospace; white-space: pre-wrap; overflow-wrap: anywhere; margin: 0 0 10px; }
svg { display: block; width: 100%; height: auto; font: 11px system-ui, "Noto Sans CJK SC", sans-serif; }
.chart { overflow: visible; margin-bottom: 12px; break-inside: avoid; }
.chart .name { font-size: 13px; font-weight: 600; fill: var(--ink); }
.chart .grid { stroke: var(--rule); stroke-width: 1; } .tick { fill: var(--soft); }
.chart .line { fill: none; stroke: #17567a; stroke-width: 1.5; stroke-linejoin: round; }
.chart .band { fill: #17567a; fill-opacity: .18; } .chart .dot { fill: #17567a; }
.chart .mark { fill: #7a3fa0; font-weight: 700; font-size: 10px; }
.chart .alarm { fill-opacity: .1; }
rect.blue { fill: var(--blue); } rect.yellow { fill: var(--yellow); } rect.orange { fill: var(--orange); } rect.red { fill: var(--red); }
line.limit { stroke-width: 1.4; stroke-dasharray: 6 4; } text.limit { font-size: 10.5px; paint-order: stroke; stroke: #fff; stroke-width: 7px; stroke-linejoin: round; }
line.blue { stroke: var(--blue); } line.yellow { stroke: var(--yellow); } line.orange { stroke: var(--orange); } line.red { stroke: var(--red); }
text.blue { fill: var(--blue); } text.yellow { fill: var(--yellow); } text.orange { fill: var(--orange); } text.red { fill: var(--red); }
.maps { display: grid; grid-template-columns: 1fr 1fr; gap: 14px; break-inside: avoid; }
.map .ground { fill: var(--ground); } .map circle.street { fill: #8fa1b3; } .map text.street { fill: #3b4a59; font-size: 10.5px; paint-order: stroke; stroke: #fff; stroke-width: 2.5px; }
.map .area { fill: #17567a; fill-opacity: .08; stroke: #17567a; stroke-opacity: .4; } .map .pin { fill: var(--red); stroke: #fff; stroke-width: 1.2; }
.map .reach { fill: #1d7f4e; fill-opacity: .08; stroke: var(--good); stroke-dasharray: 4 3; }
.map circle.actor { fill: #17567a; stroke: #fff; } .map circle.away { fill: var(--red); } .map text.actor { fill: #fff; font-size: 9.5px; font-weight: 700; }
.map .scale { fill: none; stroke: var(--ink); } .map text.scale { fill: var(--ink); stroke: none; } .map .caption { fill: var(--soft); }
.photos { display: grid; grid-template-columns: repeat(3, 1fr); gap: 12px; }
figure { margin: 0; break-inside: avoid; } figure img { width: 100%; height: 190px; object-fit: contain; background: var(--ground); display: block; }
figure a.film { display: grid; place-items: center; height: 190px; background: var(--ground); color: var(--ink); text-align: center; }
figcaption { font-size: 12px; color: var(--soft); margin-top: 4px; overflow-wrap: anywhere; }
footer { margin-top: 30px; padding-top: 10px; border-top: 1px solid var(--rule); font-size: 12.5px; color: var(--soft); }
@page { size: A4; margin: 14mm; }
@media print { body { max-width: none; padding: 0; } a { color: inherit; text-decoration: none; } * { print-color-adjust: exact; } }
`
