import type { CloseCode, TimelineEntry } from '../model/case.ts'

/**
 * Of each timeline the steps that count for promises, as one short text beside it: `at action team crew code`, a
 * comma between two steps, nothing where a step has no such thing. A report over a month reads hundreds of thousands
 * of entries; as JSON they cost it four times as much.
 *
 * The database writes it itself, in the statement that adds the entry (a trigger), so it says what the timeline says,
 * whoever wrote there. `number` is that of the last entry that was looked at.
 */
const STEP = (entry: string) => `CASE
  WHEN ${entry} ->> 'action' IN ('accept', 'arrive', 'handle', 'close', 'return', 'rework', 'void', 'suspend',
    'resume', 'supervise') OR ${entry} ->> 'team' IS NOT NULL
  THEN (${entry} ->> 'at') || ' ' || (${entry} ->> 'action') || ' ' || coalesce(${entry} ->> 'team', '') || ' ' ||
    coalesce(${entry} ->> 'crew', '') || ' ' || coalesce(${entry} ->> 'code', '') || ','
  ELSE '' END`

/** For {@link Database.migrate}, after the timeline's table. */
export const CASE_STEPS = `
  CREATE TABLE case_steps (
    case_id TEXT PRIMARY KEY, number INTEGER NOT NULL, steps TEXT NOT NULL
  ) STRICT, WITHOUT ROWID;
  INSERT INTO case_steps (case_id, number, steps)
    SELECT case_id, max(number), group_concat(${STEP('entry')}, '' ORDER BY number) FROM case_timeline GROUP BY case_id;
  CREATE TRIGGER case_steps_follow AFTER INSERT ON case_timeline BEGIN
    INSERT INTO case_steps (case_id, number, steps) VALUES (new.case_id, new.number, ${STEP('new.entry')})
      ON CONFLICT DO UPDATE SET number = excluded.number, steps = steps || excluded.steps;
  END;
`

/** What a report looks at in a {@link TimelineEntry}. */
export type CaseStep = Pick<TimelineEntry, 'at' | 'action' | 'team' | 'crew' | 'code'>

/** The steps that the text says; no name in it has a blank or a comma. */
export function* stepsIn(text: string): Generator<CaseStep> {
  for (let from = 0; from < text.length;) {
    const to = text.indexOf(',', from)
    const [at, action = '', team = '', crew = '', code = ''] = text.slice(from, to).split(' ')
    from = to + 1
    yield {
      at: Number(at),
      action,
      ...(team !== '' && { team }),
      ...(crew !== '' && { crew }),
      ...(code !== '' && { code: code as CloseCode }),
    }
  }
}
