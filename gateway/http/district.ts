import { Type } from 'typebox'
import { DistrictSchema } from '../model/district.ts'
import { KindSchema } from '../model/kind.ts'
import { TERMS } from '../dispatch/terms.ts'
import { READERS } from './access.ts'
import { Page } from './paging.ts'
import type { HttpParts } from './parts.ts'
import type { Api } from './route.ts'

const TermShape = Type.Object({ zh: Type.String(), en: Type.String() })

/** What a page needs to name things: streets and teams, kinds with their metrics, units and titles. */
export function district(api: Api, { district, kinds }: HttpParts): void {
  api.get(
    '/api/v1/district',
    {
      config: { access: READERS },
      schema: { tags: ['cases'], summary: 'Streets and teams', response: { 200: DistrictSchema } },
    },
    // Rosters are personal data, and sites are many.
    () => ({ ...district, sites: [], teams: district.teams.map((team) => without(team, 'roster')) }),
  )
  api.get(
    '/api/v1/terms',
    {
      config: { access: READERS },
      schema: {
        tags: ['cases'],
        summary: "What the words of a case's life are called, in Chinese and English",
        response: { 200: Type.Record(Type.String(), Type.Record(Type.String(), TermShape)) },
      },
    },
    () => TERMS,
  )
  api.get(
    '/api/v1/kinds',
    {
      config: { access: READERS },
      schema: {
        tags: ['devices'],
        summary: 'Kinds of devices and their metrics',
        response: { 200: Page(KindSchema) },
      },
    },
    () => ({ items: [...kinds.values()] }),
  )
}

function without<T extends object, K extends keyof T>(whole: T, key: K): Omit<T, K> {
  return Object.fromEntries(Object.entries(whole).filter(([name]) => name !== key)) as Omit<T, K>
}
