import { join } from 'node:path'
import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { GroupCommit } from '../../src/storage/db/group-commit.js'
import type { HotStatements } from '../../src/storage/db/hot-statements.js'
import { LateSync } from '../../src/storage/db/late-sync.js'
import { openDatabase } from '../../src/storage/db/open.js'
import { tempDir } from '../support/hub.js'

/** Orders are numbers to insert; `spoilt` fails once it and its whole group are written. */
async function open(spoilt?: number, options: { syncFails?: boolean } = {}) {
  const opened = await openDatabase(':memory:')
  const { db } = opened
  onTestFinished(() => db.destroy())
  await sql`create table t (n integer primary key)`.execute(db)
  let begun = 0
  let synced = 0
  const counting = new (class extends LateSync {
    override transact<T>(work: (hot: HotStatements) => T): Promise<T> {
      begun += 1
      return super.transact(work)
    }
    override async sync(): Promise<void> {
      await super.sync()
      synced += 1
      if (options.syncFails) throw new Error('not on the disk')
    }
  })(opened, ':memory:')
  const group = new GroupCommit<number, string>(counting, (hot, orders) => {
    for (const n of orders) hot.of('insert into t values (?)').run(n)
    if (spoilt !== undefined && orders.includes(spoilt)) throw new Error('not this one')
    return orders.map((n) => `did ${n}`)
  })
  const rows = async () => (await sql<{ n: number }>`select n from t order by n`.execute(db)).rows
  return { group, begun: () => begun, synced: () => synced, rows }
}

test('what comes together is committed together, and each hears its own outcome', async () => {
  const { group, begun, synced, rows } = await open()
  const outcomes = await Promise.all([1, 2, 3, 4].map((n) => group.run(n)))
  expect(outcomes).toEqual(['did 1', 'did 2', 'did 3', 'did 4'])
  expect([begun(), synced()]).toEqual([1, 1])
  expect((await rows()).map((it) => it.n)).toEqual([1, 2, 3, 4])
  await group.run(5)
  expect(await rows()).toHaveLength(5)
})

test('one that fails spoils none of the others, and leaves nothing', async () => {
  const { group, rows } = await open(2)
  const outcomes = await Promise.allSettled([1, 2, 3].map((n) => group.run(n)))
  expect(outcomes).toMatchObject([
    { value: 'did 1' },
    { reason: { message: 'not this one' } },
    { value: 'did 3' },
  ])
  expect((await rows()).map((it) => it.n)).toEqual([1, 3])
})

test('what is committed but cannot be synced is acknowledged to nobody, and done once', async () => {
  const { group, begun } = await open(undefined, { syncFails: true })
  const outcomes = await Promise.allSettled([1, 2].map((n) => group.run(n)))
  expect(outcomes.map((it) => it.status)).toEqual(['rejected', 'rejected'])
  expect(begun()).toBe(1)
})

test('a commit in a file waits for its log, and both connections see it', async () => {
  const file = join(await tempDir(), 'hub.sqlite')
  const opened = await openDatabase(file)
  const { db } = opened
  onTestFinished(() => db.destroy())
  await sql`create table t (n integer primary key)`.execute(db)
  const late = new LateSync(opened, file)
  onTestFinished(() => late.close())
  const group = new GroupCommit<number, number>(late, (hot, orders) => {
    for (const n of orders) hot.of('insert into t values (?)').run(n)
    return [...orders]
  })
  expect(await Promise.all([group.run(1), group.run(2)])).toEqual([1, 2])
  const other = await openDatabase(file)
  onTestFinished(() => other.db.destroy())
  expect((await sql`select n from t`.execute(other.db)).rows).toHaveLength(2)
  // everything else waits inside of its commit, as before
  expect((await sql`pragma synchronous`.execute(db)).rows).toEqual([{ synchronous: 2 }])
})
