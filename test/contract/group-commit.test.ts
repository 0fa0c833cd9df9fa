import { sql } from 'kysely'
import { expect, onTestFinished, test } from 'vitest'
import { GroupCommit } from '../../src/storage/db/group-commit.js'
import { type Db, openDatabase } from '../../src/storage/db/open.js'

async function open() {
  const { db } = await openDatabase(':memory:')
  onTestFinished(() => db.destroy())
  await sql`create table t (n integer primary key)`.execute(db)
  let begun = 0
  const counting = {
    transaction: () => {
      begun += 1
      return db.transaction()
    },
  } as Db
  const rows = async () => (await sql<{ n: number }>`select n from t order by n`.execute(db)).rows
  return { group: new GroupCommit(counting), begun: () => begun, rows }
}

test('what comes together is committed together, and each hears its own outcome', async () => {
  const { group, begun, rows } = await open()
  const outcomes = await Promise.all(
    [1, 2, 3, 4].map((n) =>
      group.run(async (tx) => {
        await sql`insert into t values (${n})`.execute(tx)
        return `did ${n}`
      }),
    ),
  )
  expect(outcomes).toEqual(['did 1', 'did 2', 'did 3', 'did 4'])
  expect(begun()).toBe(1)
  expect((await rows()).map((it) => it.n)).toEqual([1, 2, 3, 4])
  await group.run((tx) => sql`insert into t values (5)`.execute(tx))
  expect(await rows()).toHaveLength(5)
})

test('one that fails spoils none of the others, and leaves nothing', async () => {
  const { group, rows } = await open()
  const outcomes = await Promise.allSettled(
    [1, 2, 3].map((n) =>
      group.run(async (tx) => {
        await sql`insert into t values (${n})`.execute(tx)
        if (n === 2) throw new Error('not this one')
        return n
      }),
    ),
  )
  expect(outcomes).toMatchObject([
    { value: 1 },
    { reason: { message: 'not this one' } },
    { value: 3 },
  ])
  expect((await rows()).map((it) => it.n)).toEqual([1, 3])
})
