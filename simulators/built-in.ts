import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'

/** A scenario file, or the one of that name which comes with the simulators. */
export function scenarioFile(name: string): string {
  return builtIn('scenarios', name)
}

/** A recording map, or the one of that name which comes with the simulators. */
export function mapFile(name: string): string {
  return builtIn('maps', name)
}

function builtIn(folder: string, name: string): string {
  if (!/^[\w.-]+$/.test(name)) return name
  const file = fileURLToPath(new URL(`${folder}/${name}.yaml`, import.meta.url))
  return existsSync(file) ? file : name
}
