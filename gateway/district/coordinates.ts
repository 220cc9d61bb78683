import gcoordModule from 'gcoord'
import type { Position } from '../model/reading.ts'

// Its typings describe an ES module; what Node loads is the CommonJS one, whose default is the object itself.
const gcoord = gcoordModule as unknown as typeof gcoordModule.default

/** GCJ-02: Amap, Tencent, what a phone in China gives. BD-09: Baidu. */
export const COORDINATE_SYSTEMS = ['wgs84', 'gcj02', 'bd09'] as const
export type CoordinateSystem = (typeof COORDINATE_SYSTEMS)[number]

const CRS = { wgs84: gcoord.WGS84, gcj02: gcoord.GCJ02, bd09: gcoord.BD09 } as const

/** [longitude, latitude] in another system, for whoever types it into a map; the way back is exact to some centimetres. */
export function converted(
  position: Position,
  from: CoordinateSystem,
  to: CoordinateSystem,
): [number, number] {
  const [longitude, latitude] = gcoord.transform([position[0], position[1]], CRS[from], CRS[to])
  return [longitude, latitude]
}
