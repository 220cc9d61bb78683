import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Ajv } from 'ajv'
import { Type, type Static } from 'typebox'
import { parse } from 'yaml'

const Code = '^[A-Za-z0-9_]{1,32}$'
const Name = '^[a-z][a-z0-9_]{0,63}$'

/**
 * What the codes of a sender mean: data, one file for each dialect. Where two codes mean the same metric and both
 * come, the earlier one in the file counts; a metric that the device's kind has not got is nothing of the device's.
 */
export const ProfileSchema = Type.Object(
  {
    title: Type.Object({ en: Type.String(), zh: Type.String() }, { additionalProperties: false }),
    /** System types (ST, §6.6.1) that it is made for: what an unknown sender is first taken for. */
    systems: Type.Optional(Type.Array(Type.String({ pattern: '^[0-9A-Z]{2}$' }))),
    /** Factor codes of HJ 212-2017 annex B, HJ 524/525 or the maker's own. */
    factors: Type.Record(
      Type.String({ pattern: Code }),
      Type.Object(
        {
          metric: Type.String({ pattern: Name }),
          /** From the sender's unit to that of the metric: 0.001 where L/s become m³/s. */
          scale: Type.Optional(Type.Number({ exclusiveMinimum: 0 })),
        },
        { additionalProperties: false },
      ),
      { additionalProperties: false },
    ),
    /** Treatment equipment of `SBn-RS` (§6.6.3) and the metric that says whether it runs. */
    states: Type.Optional(
      Type.Record(Type.String({ pattern: Code }), Type.String({ pattern: Name }), {
        additionalProperties: false,
      }),
    ),
  },
  { additionalProperties: false },
)
export type Profile = Static<typeof ProfileSchema>
export type Profiles = ReadonlyMap<string, Profile>

const builtIn = fileURLToPath(new URL('./profiles', import.meta.url))
const fits = new Ajv().compile<Profile>(ProfileSchema)

/** Every `*.yaml` of the folder, by its name; throws with file and key at the first that is not right. */
export function loadProfiles(dir: string = builtIn): Profiles {
  const names = readdirSync(dir).filter((name) => name.endsWith('.yaml'))
  return new Map(
    names.sort().map((name) => [name.slice(0, -'.yaml'.length), readProfile(join(dir, name))] as const),
  )
}

function readProfile(file: string): Profile {
  // Codes such as 060 are text.
  const profile: unknown = parse(readFileSync(file, 'utf8'), { schema: 'core', stringKeys: true })
  if (fits(profile)) return profile
  const { instancePath, message, params } = fits.errors![0]!
  throw new Error(`${file}: ${instancePath || 'profile'} ${message} ${JSON.stringify(params)}`)
}

/** Metrics that the profile can give. */
export function metricsOf(profile: Profile): Set<string> {
  const fromFactors = Object.values(profile.factors).map(({ metric }) => metric)
  return new Set([...fromFactors, ...Object.values(profile.states ?? {})])
}
