import { DateTime } from 'luxon'
import { Type, type Static } from 'typebox'
import { DocumentError, readDocument, nameOf } from './document.ts'
import { IDENTIFIER_PATTERN, MARKS } from './reading.ts'
import { CONVERSIONS } from './units.ts'

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

/** How the columns of a recording become readings of devices. */
export const RecordingMapSchema = Type.Object(
  {
    /** Where the recording is from, for people. */
    source: Type.String(),
    time: Type.Object(
      {
        /** Joined by blanks before they are read: a year, month, day and hour may stand in four columns. */
        columns: Type.Array(Column, { minItems: 1 }),
        /** `iso`, `seconds`, `milliseconds` (since 1970), or a format of luxon such as `yyyy-MM-dd HH:mm`. */
        format: Type.String({ minLength: 1 }),
        /** Zone of times that name none. */
        zone: Type.Optional(Type.String({ minLength: 1 })),
      },
      strict,
    ),
    /** Cells that say nothing, beside empty ones. */
    empty: Type.Optional(Type.Array(Type.String())),
    /** The recording's marks: a data mark of the contract, `N` for a good value, `skip` for one that was not measured. */
    qualifiers: Type.Optional(Type.Record(Type.String(), Type.Enum(['N', 'skip', ...MARKS]))),
    devices: Type.Array(
      Type.Object(
        {
          id: Identifier,
          kind: Type.String({ minLength: 1 }),
          site: Identifier,
          street: Identifier,
          grid: Identifier,
          position: Type.Optional(Type.Tuple([Type.Number(), Type.Number()])),
          metrics: Type.Record(Metric, SourceSchema, { minProperties: 1 }),
          /** Values that each reading carries though the recording does not. */
          constants: Type.Optional(Type.Record(Metric, Type.Union([Type.Number(), Type.Boolean()]))),
        },
        strict,
      ),
      { minItems: 1, maxItems: 1000 },
    ),
  },
  strict,
)
export type RecordingMap = Static<typeof RecordingMapSchema>
export type MetricSource = Static<typeof SourceSchema>

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

/** Every column that the map reads. */
export function columnsOf(map: RecordingMap): Set<string> {
  const columns = new Set(map.time.columns)
  for (const { metrics } of map.devices) {
    for (const { column, qualifier } of Object.values(metrics)) {
      columns.add(column)
      if (qualifier !== undefined) columns.add(qualifier)
    }
  }
  return columns
}
