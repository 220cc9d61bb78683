import { Type } from 'typebox'
import { DURATION_PATTERN } from './model/duration.ts'

/**
 * `gateway.yaml` (contract §1). The schema is the one source of the defaults, the checks, the names of the
 * environment variables and the explanations; a test holds `gateway.example.yaml` against it.
 */
const strict = { additionalProperties: false } as const
const Port = (port: number, description: string) =>
  Type.Integer({
    minimum: 0,
    maximum: 65535,
    default: port,
    description: `${description}; 0 means any free port`,
  })
const Host = Type.Optional(
  Type.String({ minLength: 1, description: 'address of this listener; `host` when absent' }),
)
const Duration = (text: string, description: string) =>
  Type.String({ pattern: DURATION_PATTERN, default: text, description })
const Section = <P extends Parameters<typeof Type.Object>[0]>(properties: P, description: string) =>
  Type.Object(properties, { ...strict, default: {}, description })

export const ConfigSchema = Type.Object(
  {
    dataDir: Type.String({
      minLength: 1,
      default: './data',
      description: 'folder for the journal, the registry and keys',
    }),
    host: Type.String({
      minLength: 1,
      default: '127.0.0.1',
      description: 'address that the listeners bind to',
    }),
    mqtt: Section(
      {
        port: Port(1883, 'MQTT over TCP'),
        host: Host,
        tls: Type.Optional(
          Type.Object(
            {
              port: Port(8883, 'MQTT over TLS'),
              cert: Type.String({ minLength: 1, description: 'file with the certificate chain, PEM' }),
              key: Type.String({ minLength: 1, description: 'file with the private key, PEM' }),
              ca: Type.Optional(
                Type.String({
                  minLength: 1,
                  description:
                    'file with the CA whose client certificates may sign in, PEM; their CN is the device id',
                }),
              ),
            },
            { ...strict, description: 'MQTT over TLS; off when absent' },
          ),
        ),
        maxPacketBytes: Type.Integer({
          minimum: 1024,
          maximum: 16_777_216,
          default: 524_288,
          description:
            'largest MQTT packet; a longer one closes the connection as soon as its header says so',
        }),
        connectTimeout: Duration('10s', 'a connection that has not signed in by then is closed'),
        maxConnections: Type.Integer({
          minimum: 1,
          default: 50_000,
          description: 'connections at once, all listeners together',
        }),
        connectionsPerDevice: Type.Integer({
          minimum: 1,
          default: 4,
          description: 'connections at once for each device or user',
        }),
        messagesPerSecond: Type.Integer({
          minimum: 1,
          default: 1000,
          description: 'messages a device may send each second; faster ones wait, unread, and are not lost',
        }),
        drainTimeout: Duration('1s', 'a subscriber that does not read for this long is dropped'),
      },
      'the MQTT broker',
    ),
    ws: Section({ port: Port(8083, 'MQTT over WebSocket'), host: Host }, 'MQTT over WebSocket'),
    http: Section(
      {
        port: Port(8080, 'HTTP API and console'),
        host: Host,
        trustedProxies: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          maxItems: 100,
          description:
            'addresses and networks (CIDR) of reverse proxies whose X-Forwarded-For says where a request came from',
        }),
      },
      'HTTP API and console',
    ),
    hj212: Type.Optional(
      Type.Object(
        {
          port: Port(9212, 'HJ 212 over TCP'),
          host: Host,
          idleTimeout: Duration('70m', 'a connection is closed when no right frame has come for that long'),
          connectTimeout: Duration('5m', 'a new connection is closed when no right frame has come by then'),
          maxConnections: Type.Integer({
            minimum: 1,
            default: 10_000,
            description: 'connections at once; those that have said nothing right yet make room',
          }),
          framesPerSecond: Type.Integer({
            minimum: 1,
            default: 200,
            description:
              'frames a connection may send each second; faster ones wait, unread, and are not lost',
          }),
          fillGaps: Type.Boolean({
            default: true,
            description: 'ask a device that is back after an outage for what it has kept',
          }),
        },
        { ...strict, description: 'HJ 212 over TCP; off when absent' },
      ),
    ),
    upstream: Type.Array(
      Type.Object(
        {
          url: Type.String({
            pattern: '^mqtts?://[^\\s/@]+$',
            description: 'address of the broker, mqtt://host:port or mqtts://host:port',
          }),
          topics: Type.Array(Type.String({ minLength: 1 }), {
            minItems: 1,
            default: ['v1/{device}/readings'],
            description: 'topics with readings; {device} stands for the level that names the device',
          }),
          share: Type.Optional(
            Type.String({
              pattern: '^[^\\s/+#]+$',
              description: 'group of gateways that share the messages among them ($share/…)',
            }),
          ),
          version: Type.Union([Type.Literal('3.1.1'), Type.Literal(5)], {
            default: 5,
            description: 'version of MQTT',
          }),
          clientId: Type.Optional(
            Type.String({
              minLength: 1,
              maxLength: 128,
              description: 'name of our session at the broker; made up once and kept in dataDir when absent',
            }),
          ),
          username: Type.Optional(Type.String({ minLength: 1, description: 'user' })),
          password: Type.Optional(Type.String({ minLength: 1, description: 'password' })),
          ca: Type.Optional(
            Type.String({
              minLength: 1,
              description: 'file with the CA of the broker, PEM; the usual CAs when absent',
            }),
          ),
          cert: Type.Optional(Type.String({ minLength: 1, description: 'file with our certificate, PEM' })),
          key: Type.Optional(Type.String({ minLength: 1, description: 'file with our private key, PEM' })),
          sessionExpiry: Duration('7d', 'how long the broker is to keep what we miss; version 5 only'),
        },
        strict,
      ),
      { default: [], maxItems: 16, description: 'existing brokers to take readings from, as their client' },
    ),
    admin: Section(
      {
        token: Type.Optional(
          Type.String({
            minLength: 1,
            description:
              'bearer token with every right; a random one is written to dataDir/admin.token when absent',
          }),
        ),
      },
      'the first key to the gateway',
    ),
    journal: Section(
      {
        keep: Duration(
          '24h',
          'how long a reading stays in the journal after every consumer has dealt with it',
        ),
        maxPendingBytes: Type.Integer({
          minimum: 1_048_576,
          default: 67_108_864,
          description: 'readings that may wait in memory for the disk; beyond it nothing is taken in',
        }),
      },
      'the durable log between intake and consumers',
    ),
    quarantine: Section(
      {
        keep: Type.Integer({
          minimum: 1,
          default: 100_000,
          description: 'refused readings kept; the oldest go first',
        }),
      },
      'refused readings',
    ),
    historian: Section(
      {
        type: Type.Union([Type.Literal('embedded'), Type.Literal('influx1'), Type.Literal('influx2')], {
          default: 'embedded',
          description:
            'embedded (SQLite in dataDir), influx1 (InfluxDB 1.x) or influx2 (InfluxDB 2.x and 3.x)',
        }),
        url: Type.String({
          minLength: 1,
          default: 'http://127.0.0.1:8086',
          description: 'address of InfluxDB',
        }),
        database: Type.String({
          minLength: 1,
          default: 'gridwhistle',
          description: 'database, influx1; created when missing',
        }),
        username: Type.Optional(Type.String({ description: 'user, influx1' })),
        password: Type.Optional(Type.String({ description: 'password, influx1' })),
        org: Type.String({ minLength: 1, default: 'gridwhistle', description: 'organisation, influx2' }),
        bucket: Type.String({
          minLength: 1,
          default: 'gridwhistle',
          description: 'bucket, influx2; created when missing',
        }),
        token: Type.Optional(Type.String({ description: 'token, influx2' })),
        gzip: Type.Boolean({
          default: false,
          description: 'compress writes; worth it only when InfluxDB is far away',
        }),
        batch: Type.Integer({
          minimum: 1,
          maximum: 50_000,
          default: 10_000,
          description: 'readings in one write at most',
        }),
        keep: Duration('400d', 'how long the embedded historian keeps readings'),
      },
      'where readings are kept for years',
    ),
    rules: Section(
      {
        dir: Type.Optional(
          Type.String({
            minLength: 1,
            description: 'folder with rule files; the built-in packs when absent',
          }),
        ),
        lateness: Duration('5m', "how far behind its device's newest a reading may come and still be judged"),
        staleAfter: Duration('1h', 'a reading this far behind the clock raises alarms that open no case'),
      },
      'the rules that readings are judged by',
    ),
    dispatch: Section(
      {
        simulated: Type.Boolean({
          default: false,
          description: 'send teams the orders of cases whose alarms are all from simulated devices',
        }),
        speakWithin: Type.Integer({
          minimum: 1,
          default: 200,
          description: 'a loudspeaker within so many metres may speak before a crew is sent',
        }),
        whistleReportIn: Duration('30m', 'a department that is called to a case reports in by then'),
        whistleResolve: Duration('4h', '… and is done by then'),
        reopenWithin: Duration(
          '2h',
          'what happens again so soon after its case was closed is marked as a recurrence of that case',
        ),
      },
      'orders to teams',
    ),
    evidence: Section(
      {
        photoBytes: Type.Integer({
          minimum: 65_536,
          maximum: 104_857_600,
          default: 10_485_760,
          description: 'largest photo (JPEG, PNG)',
        }),
        videoBytes: Type.Integer({
          minimum: 65_536,
          maximum: 1_073_741_824,
          default: 52_428_800,
          description: 'largest video (MP4)',
        }),
        filesPerCase: Type.Integer({
          minimum: 1,
          maximum: 1000,
          default: 50,
          description: 'photos and videos that people may add to one case',
        }),
        quotaBytes: Type.Integer({
          minimum: 1_048_576,
          default: 21_474_836_480,
          description: 'all evidence files together; a tenth of it is kept for what the gateway freezes',
        }),
      },
      'files of cases, in dataDir/evidence',
    ),
    people: Section(
      {
        joinMetres: Type.Integer({
          minimum: 0,
          maximum: 10_000,
          default: 100,
          description:
            'a report joins the nearest open case of its category that is no further away than this',
        }),
        joinWithin: Duration('7d', 'and that was queued no longer ago'),
        keepContact: Duration('180d', 'name and phone of whoever reported are erased after so long'),
        placeKey: Type.Optional(
          Type.String({
            minLength: 16,
            description:
              'key of the check codes in printed QR codes; a random one is written to dataDir/places.key when absent',
          }),
        ),
      },
      'reports of people: the page behind a QR code, the hotline',
    ),
    registers: Section(
      {
        keepTracks: Duration('90d', 'tracks of river patrols are erased so long after the patrol'),
      },
      'purifier cleanings, night inspections, river patrols',
    ),
    announce: Section(
      {
        allowAddresses: Type.Array(Type.String({ minLength: 1 }), {
          default: [],
          maxItems: 100,
          description: 'ranges beside the public internet that announcements may go to, such as 10.1.0.0/16',
        }),
        allowHttp: Type.Boolean({
          default: false,
          description: 'let announcements go out unencrypted, to http:// addresses',
        }),
      },
      'what goes out to robots and webhooks',
    ),
    console: Section(
      {
        url: Type.String({
          pattern: '^(https?://[^\\s/?#]+(/[^\\s?#]*)?)?$',
          default: '',
          description: 'where people open the console, such as https://grid.example.cn; links to it begin so',
        }),
      },
      'the console as people reach it',
    ),
    district: Section(
      {
        file: Type.Optional(
          Type.String({ minLength: 1, description: 'district file; the built-in Chongchuan when absent' }),
        ),
      },
      'streets, grids and teams',
    ),
    sections: Section(
      {
        file: Type.Optional(
          Type.String({
            minLength: 1,
            description: 'targets, payers, prices and tiers of the section report; the defaults when absent',
          }),
        ),
      },
      'river sections in reports',
    ),
    clock: Type.Union([Type.Literal('system'), Type.Literal('driven')], {
      default: 'system',
      description:
        'driven, for tests: time stands still until PUT /api/v1/clock moves it; only with every listener on loopback',
    }),
    log: Section(
      {
        level: Type.Union(
          ['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'].map((level) => Type.Literal(level)),
          { default: 'info', description: 'fatal, error, warn, info, debug, trace or silent' },
        ),
      },
      'log lines on standard error',
    ),
  },
  strict,
)
