import { DateTime } from 'luxon'
import { Type, type Static } from 'typebox'
import { DocumentError, readDocument, nameOf } from './document.ts'
import { IDENTIFIER_PATTERN, MARKS, type Registration } from './reading.ts'
import { CONVERSIONS } from './units.ts'

/** A row of a recording by its columns. */
export type Cells = Readonly<Record<string, string>>

const strict = { additionalProperties: false } as const
const Identifier = Type.String({ pattern: IDENTIFIER_PATTERN })
const Metric = Type.String({ pattern: '^[a-z][a-z0-9_]{0,63}$' })
const Column = Type.String({ minLength: 1, maxLength: 256 })

const SourceSchema = Type.Object(
  {
    column: Column,
    /** A conversion by name, or by hand: value × factor + offset. */
    convert: Type.Optional(Type.Enum(Object.keys(CONVERSIONS))),
    factor: Type.Optional(Type.Number()),
    offset: Type.Optional(Type.Number()),
    /** Makes a boolean: true where the cell says this. */
    is: Type.Optional(Type.String()),
    /** Column with the mark of the value; `qualifiers` says what marks mean. */
    qualifier: Type.Optional(Column),
  },
  strict,
)

/** Where a device is said to stand; a map and a roster begin with it. */
const place = {
  id: Identifier,
  kind: Type.String({ minLength: 1 }),
  site: Identifier,
  street: Identifier,
  grid: Identifier,
  position: Type.Optional(Type.Tuple([Type.Number(), Type.Number()])),
  /** What rules ask of it, such as a limit of its own. */
  attributes: Type.Optional(
    Type.Record(Metric, Type.Union([Type.Number(), Type.Boolean(), Type.String({ maxLength: 256 })])),
  ),
}

/** How the columns of a recording become readings of devices. */
export const RecordingMapSchema = Type.Object(
  {
    /** Where the recording is from, for people. */
    source: Type.String({ maxLength: 256 }),
    time: Type.Object(
      {
        /** Joined by blanks before they are read: a year, month, day and hour may stand in four columns. */
        columns: Type.Array(Column, { minItems: 1 }),
        /**
         * `iso`, `seconds`, `milliseconds`, `microseconds` (since 1970), or a format of luxon such as
         * `yyyy-MM-dd HH:mm`.
         */
        format: Type.String({ minLength: 1 }),
        /** Zone of times that name none. */
        zone: Type.Optional(Type.String({ minLength: 1 })),
      },
      strict,
    ),
    /** `time` where the file is not in order: it is then read as a whole. */
    order: Type.Optional(Type.Enum(['file', 'time'])),
    /** Cells that say nothing, beside empty ones. */
    empty: Type.Optional(Type.Array(Type.String())),
    /** The recording's marks: a data mark of the contract, `N` for a good value, `skip` for one that was not measured. */
    qualifiers: Type.Optional(Type.Record(Type.String(), Type.Enum(['N', 'skip', ...MARKS]))),
    devices: Type.Array(
      Type.Object(
        {
          ...place,
          /** Rows of the device are those whose columns say this; all rows without it. */
          where: Type.Optional(Type.Record(Column, Type.String(), { minProperties: 1 })),
          metrics: Type.Record(Metric, SourceSchema, { minProperties: 1 }),
          /** Values that each reading carries though the recording does not. */
          constants: Type.Optional(Type.Record(Metric, Type.Union([Type.Number(), Type.Boolean()]))),
          /** Where a moving device is: columns with longitude °, latitude ° and altitude m, WGS-84. */
          track: Type.Optional(Type.Array(Column, { minItems: 2, maxItems: 3 })),
        },
        strict,
      ),
      { minItems: 1, maxItems: 1000 },
    ),
  },
  strict,
)
export type RecordingMap = Static<typeof RecordingMapSchema>
export type MappedDevice = RecordingMap['devices'][number]
export type MetricSource = Static<typeof SourceSchema>

/** Who speaks in a recording whose rows need no map: recorded messages, an HJ 212 log. */
export const RosterSchema = Type.Object(
  {
    source: Type.String({ maxLength: 256 }),
    devices: Type.Array(
      Type.Object(
        {
          ...place,
          /** How the device is bound to HJ 212 (contract §5); the log's frames bear its `mn`. */
          hj212: Type.Optional(
            Type.Object(
              {
                mn: Type.String({ minLength: 1, maxLength: 64 }),
                profile: Type.Optional(Type.String({ minLength: 1 })),
                crc: Type.Optional(Type.Enum(['annex-a', 'modbus', 'modbus-swapped'])),
                pw: Type.Optional(Type.String({ minLength: 1 })),
              },
              strict,
            ),
          ),
        },
        strict,
      ),
      { maxItems: 1000 },
    ),
  },
  strict,
)
export type Roster = Static<typeof RosterSchema>

/** Throws a {@link DocumentError} that names what is wrong. */
export function readRecordingMap(file: string | URL): RecordingMap {
  const map = readDocument(file, RecordingMapSchema)
  const zone = map.time.zone ?? 'utc'
  if (!DateTime.utc().setZone(zone).isValid) {
    throw new DocumentError(
      `${nameOf(file)}: time.zone: ${zone} is not a zone; expected one such as Asia/Shanghai`,
    )
  }
  return map
}

/** Throws a {@link DocumentError} that names what is wrong. */
export function readRoster(file: string | URL): Roster {
  return readDocument(file, RosterSchema)
}

export function registrationsOf({ source, devices }: Roster): Registration[] {
  return devices.map(({ hj212, attributes, ...device }) => ({
    ...device,
    attributes: { ...attributes, source },
    ...(hj212 && { protocols: { hj212 } }),
  }))
}

/** Every column that the map reads. */
export function columnsOf(map: RecordingMap): Set<string> {
  const columns = new Set(map.time.columns)
  for (const { metrics, where = {}, track = [] } of map.devices) {
    for (const column of [...Object.keys(where), ...track]) columns.add(column)
    for (const { column, qualifier } of Object.values(metrics)) {
      columns.add(column)
      if (qualifier !== undefined) columns.add(qualifier)
    }
  }
  return columns
}
