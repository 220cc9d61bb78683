/**
 * How each route that lets a street or a team in keeps to what is theirs. access.test.ts fails for a route that is in
 * none of these; scope.test.ts tries those of the first two.
 */
/** What stands for `{device}` and the like in a path. */
export type Things = Readonly<
  Record<
    | 'device'
    | 'case'
    | 'alarm'
    | 'file'
    | 'subscription'
    | 'site'
    | 'purifier'
    | 'inspection'
    | 'patrol'
    | 'street'
    | 'team',
    string
  >
>

/** Routes about one thing: the path, and a body where one is needed to come as far as the thing. */
export const ONE: Readonly<Record<string, readonly [path: string, body?: object]>> = {
  'GET /api/v1/devices/:id': ['/api/v1/devices/{device}'],
  'POST /api/v1/devices/:id/commands': [
    '/api/v1/devices/{device}/commands',
    { command: 'say', args: { text: 'x' } },
  ],
  'GET /api/v1/alarms/:id': ['/api/v1/alarms/{alarm}'],
  'GET /api/v1/cases/:id': ['/api/v1/cases/{case}'],
  'POST /api/v1/cases/:id/actions': ['/api/v1/cases/{case}/actions', { action: 'accept' }],
  'GET /api/v1/cases/:id/files': ['/api/v1/cases/{case}/files'],
  'POST /api/v1/cases/:id/files': ['/api/v1/cases/{case}/files'],
  'GET /api/v1/cases/:id/export': ['/api/v1/cases/{case}/export'],
  'GET /api/v1/cases/:id/files/:file': ['/api/v1/cases/{case}/files/{file}'],
  'POST /api/v1/cases/:id/whistles': [
    '/api/v1/cases/{case}/whistles',
    { departments: ['chengguan'], note: 'x' },
  ],
  'GET /api/v1/sites/:id': ['/api/v1/sites/{site}'],
  'GET /api/v1/cases/:id/tickets': ['/api/v1/cases/{case}/tickets'],
  'GET /api/v1/subscriptions/:id/deliveries': ['/api/v1/subscriptions/{subscription}/deliveries'],
  'PATCH /api/v1/subscriptions/:id': ['/api/v1/subscriptions/{subscription}', { language: 'en' }],
  'DELETE /api/v1/subscriptions/:id': ['/api/v1/subscriptions/{subscription}'],
  'GET /api/v1/registers/purifiers/:site': ['/api/v1/registers/purifiers/{purifier}'],
  'POST /api/v1/registers/purifiers/:site/cleanings': [
    '/api/v1/registers/purifiers/{purifier}/cleanings',
    {},
  ],
  'DELETE /api/v1/registers/purifiers/:site': ['/api/v1/registers/purifiers/{purifier}'],
  'GET /api/v1/registers/inspections/:id': ['/api/v1/registers/inspections/{inspection}'],
  'DELETE /api/v1/registers/inspections/:id': ['/api/v1/registers/inspections/{inspection}'],
  'GET /api/v1/registers/patrols/:id': ['/api/v1/registers/patrols/{patrol}'],
  'GET /api/v1/registers/patrols/:id/track': ['/api/v1/registers/patrols/{patrol}/track'],
  'GET /api/v1/readings': ['/api/v1/readings?device={device}&metric=fume'],
}

/** Lists: asked for what is another's, they are empty or shut; asked for nothing, they hold nothing of it. */
export const LISTS: Readonly<Record<string, readonly string[]>> = {
  'GET /api/v1/devices': ['', '?street={street}', '?site={device}-site'],
  'GET /api/v1/alarms': ['', '?street={street}', '?device={device}'],
  'GET /api/v1/cases': ['', '?street={street}', '?team={team}', '?site={device}-site'],
  'GET /api/v1/sites': ['', '?street={street}'],
  'GET /api/v1/registers/purifiers': ['', '?street={street}'],
  'GET /api/v1/registers/inspections': ['', '?street={street}', '?team={team}'],
  'GET /api/v1/registers/patrols': ['', '?street={street}'],
  'GET /api/v1/registers/river-courses': [''],
  'GET /api/v1/tickets': [''],
  'GET /api/v1/subscriptions': [''],
  'GET /api/v1/subscriptions/dead-letters': [''],
  'GET /api/v1/supervision': ['', '?street={street}', '?team={team}'],
  'GET /api/v1/stats/precision': ['?by=street', '?by=device'],
  'GET /api/v1/stats/accountability': ['?by=street', '?by=team'],
  'GET /api/v1/reports/sections': ['?month=2024-06'],
}

/** Routes whose own test has them, for they reach further than this one can see. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  'POST /api/v1/cases': 'people-reports.test.ts: whoever sees something may report it, wherever it is',
  'POST /api/v1/cases/:id/whistles/:department/done': 'dispatch/whistles.test.ts: a department for itself',
  'POST /api/v1/cases/:id/whistles/:department/report-in':
    'dispatch/whistles.test.ts: a department for itself',
  'POST /api/v1/cases/:id/whistles/:department/withdraw':
    'dispatch/whistles.test.ts: a street for its own cases',
  'PUT /api/v1/registers/purifiers/:site': 'registers.test.ts: a place of their own',
  'PUT /api/v1/registers/river-courses/:section': 'registers.test.ts: a place of their own',
  'POST /api/v1/registers/inspections': 'registers.test.ts: places of their own',
  'POST /api/v1/registers/inspections/:id/check-ins': 'registers.test.ts: a place of the plan',
  'POST /api/v1/registers/patrols': 'registers.test.ts: a section of their own',
  'POST /api/v1/registers/patrols/:id/points': 'registers.test.ts: whoever walks it',
  'POST /api/v1/registers/patrols/:id/findings': 'registers.test.ts: whoever walks it',
  'POST /api/v1/registers/patrols/:id/stop': 'registers.test.ts: whoever sees it',
  'POST /api/v1/subscriptions': 'subscriptions.test.ts: a filter within the own street',
  'POST /api/v1/subscriptions/:id/test': 'subscriptions.test.ts: it sends',
  'POST /api/v1/subscriptions/dead-letters/:id/retry': 'subscriptions.test.ts: it sends',
}

/** Routes that are the same for all whom they let in, and why. */
const WHOLE: Readonly<Record<string, string>> = {
  'GET /api/v1/rules': 'rules hold for the district',
  'GET /api/v1/rules/:id': 'rules hold for the district',
  'GET /api/v1/rules/:id/versions': 'rules hold for the district',
  'GET /api/v1/district': 'names of streets and teams; no rosters',
  'GET /api/v1/terms': 'words',
  'GET /api/v1/kinds': 'kinds of devices',
  'GET /api/v1/evidence-key': 'a public key',
  'GET /api/v1/ledger': 'sums over the district',
  'GET /metrics': 'sums over the district',
  'GET /api/v1/metrics': 'sums over the district',
  'GET /api/v1/events': 'events.test.ts: each event by its own scope',
  'GET /api/v1/session': 'about oneself',
  'DELETE /api/v1/session': 'about oneself',
  'POST /api/v1/session/secret': 'about oneself',
  'GET /api/v1/sessions': 'about oneself',
  'DELETE /api/v1/sessions': 'about oneself',
  'DELETE /api/v1/sessions/:id': 'about oneself: session-life.test.ts',
  'GET /api/v1/users/:name/tokens': 'about oneself: session-life.test.ts',
  'POST /api/v1/users/:name/tokens': 'about oneself: session-life.test.ts',
  'DELETE /api/v1/users/:name/tokens/:id': 'about oneself: session-life.test.ts',
}

/** Every route that has said it. */
export const TOLD = [ONE, LISTS, ELSEWHERE, WHOLE].flatMap((kind) => Object.keys(kind))
