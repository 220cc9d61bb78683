import { AttributeIds, makeBrowsePath, type ClientSession, type DataValue } from 'node-opcua-client'
import type { Engineering } from './units.ts'

/** Nodes in one request; servers have limits of their own, commonly above this. */
export const NODES_AT_ONCE = 100

/** EngineeringUnits and EURange of each node, as far as they are there [OPC 10000-8 §5.3.2]. */
export async function engineeringOf(
  session: ClientSession,
  nodeIds: readonly string[],
): Promise<Engineering[]> {
  const all: Engineering[] = []
  for (let from = 0; from < nodeIds.length; from += NODES_AT_ONCE) {
    const part = nodeIds.slice(from, from + NODES_AT_ONCE)
    const paths = part.flatMap((nodeId) => [
      makeBrowsePath(nodeId, '.EngineeringUnits'),
      makeBrowsePath(nodeId, '.EURange'),
    ])
    const found = await session.translateBrowsePath(paths)
    const targets = found.map(({ targets }) => targets?.[0]?.targetId)
    const present = targets.filter((target) => target !== undefined)
    const values =
      present.length === 0
        ? []
        : await session.read(present.map((nodeId) => ({ nodeId, attributeId: AttributeIds.Value })))
    let next = 0
    const read = targets.map((target) => (target === undefined ? undefined : values[next++]!))
    for (let i = 0; i < part.length; i++) all.push(engineering(read[2 * i], read[2 * i + 1]))
  }
  return all
}

interface EuInformation {
  readonly namespaceUri?: string | null
  readonly unitId: number
  readonly displayName?: { readonly text?: string | null } | null
}

function engineering(units: DataValue | undefined, range: DataValue | undefined): Engineering {
  const eu = goodValue(units) as EuInformation | undefined
  const bounds = goodValue(range) as { readonly low: number; readonly high: number } | undefined
  return {
    ...(eu !== undefined && {
      unit: { namespace: eu.namespaceUri ?? '', id: eu.unitId, text: eu.displayName?.text ?? '' },
    }),
    // A range of nothing is a server that has not been told.
    ...(bounds !== undefined &&
      bounds.low < bounds.high && { range: { low: bounds.low, high: bounds.high } }),
  }
}

function goodValue(value: DataValue | undefined): unknown {
  if (value === undefined || !value.statusCode.isGood()) return undefined
  return (value.value.value as unknown) ?? undefined
}
