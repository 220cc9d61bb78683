import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { Database } from './database.ts'

let folder: string
let database: Database
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gw-database-'))
  database = new Database(join(folder, 'registry.db'))
  database.sql.exec('CREATE TABLE t (n INTEGER) STRICT')
})
afterEach(() => {
  database.close()
  rmSync(folder, { recursive: true })
})

const insert = (n: number) => database.sql.prepare('INSERT INTO t VALUES (?)').run(n)
const rows = () =>
  database.sql
    .prepare('SELECT n FROM t')
    .all()
    .map(({ n }) => n)
const synchronous = () => Object.values(database.sql.prepare('PRAGMA synchronous').get()!)[0]
const FULL = 2

test('all or nothing, also of a transaction inside another', () => {
  expect(() =>
    database.transaction(() => {
      insert(1)
      database.derive(() => insert(2))
      throw new Error('no')
    }),
  ).toThrow('no')
  expect(rows()).toEqual([])
})

test('what follows a commit is told after it, and not at all when it is rolled back', () => {
  const told: unknown[] = []
  database.transaction(() => {
    insert(1)
    database.afterCommit(() => told.push(database.sql.isTransaction))
    expect(told).toEqual([])
  })
  expect(told).toEqual([false])
  expect(() =>
    database.transaction(() => {
      database.afterCommit(() => told.push('never'))
      throw new Error('no')
    }),
  ).toThrow('no')
  expect(told).toHaveLength(1)
})

test('what is told of a derived change may store something for good', () => {
  const levels: unknown[] = []
  database.derive(() => {
    insert(1)
    database.afterCommit(() => database.transaction(() => void levels.push(synchronous())))
  })
  expect(levels).toEqual([FULL])
  expect(synchronous()).toBe(FULL)
})

test('a derived change that fails leaves transactions as durable as before', () => {
  expect(() =>
    database.derive(() => {
      insert(1)
      throw new Error('no')
    }),
  ).toThrow('no')
  expect(synchronous()).toBe(FULL)
  expect(rows()).toEqual([])
})
