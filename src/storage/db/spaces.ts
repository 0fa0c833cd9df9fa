import { sql, type Transaction } from 'kysely'
import { HubError } from '../../domain/errors.js'
import type {
  AttachedVolume,
  SpaceSettings,
  SpaceStore,
  SpaceValueKind,
} from '../../domain/spaces/ports.js'
import { addEvents } from './events.js'
import type { Db } from './open.js'
import { now } from './rows.js'
import type { Schema } from './schema.js'

export function spaceStore(db: Db): SpaceStore {
  const ofKind = (tx: Db | Transaction<Schema>, id: string, kind: SpaceValueKind) =>
    tx.selectFrom('space_value').where('repo_id', '=', id).where('kind', '=', kind)

  return {
    async find(id) {
      const row = await db
        .selectFrom('space')
        .selectAll()
        .where('repo_id', '=', id)
        .executeTakeFirst()
      return row && toSettings(row)
    },
    change: (id, { factory, ...change }, event) =>
      db.transaction().execute(async (tx) => {
        // how long it may be idle is nothing that a running one has to see
        const isSeen =
          factory !== undefined || Object.keys(change).some((it) => it !== 'sleepSeconds')
        await bump(tx, id, isSeen ? 1 : 0)
        const set = toRow(change)
        const update = factory ? { ...set, factory_revision: sql<number>`revision` } : set
        if (Object.keys(update).length > 0)
          await tx.updateTable('space').set(update).where('repo_id', '=', id).execute()
        await addEvents(tx, [event])
      }),
    async listValues(id, kind) {
      const rows = await ofKind(db, id, kind).selectAll().orderBy('key').execute()
      return rows.map(({ key, value, description, updated_at }) => ({
        key,
        value,
        description,
        updatedAt: updated_at,
      }))
    },
    putValue: (id, kind, value, max, event) =>
      db.transaction().execute(async (tx) => {
        const { n } = await ofKind(tx, id, kind)
          .where('key', '!=', value.key)
          .select((eb) => eb.fn.countAll<number>().as('n'))
          .executeTakeFirstOrThrow()
        if (Number(n) >= max)
          throw new HubError('unprocessable', `A Space has at most ${max} ${kind}s.`)
        await bump(tx, id)
        const row = { value: value.value, description: value.description, updated_at: now() }
        await tx
          .insertInto('space_value')
          .values({ repo_id: id, kind, key: value.key, ...row })
          .onConflict((oc) => oc.columns(['repo_id', 'kind', 'key']).doUpdateSet(row))
          .execute()
        await addEvents(tx, [event])
      }),
    removeValue: (id, kind, key, event) =>
      db.transaction().execute(async (tx) => {
        const { numDeletedRows } = await tx
          .deleteFrom('space_value')
          .where('repo_id', '=', id)
          .where('kind', '=', kind)
          .where('key', '=', key)
          .executeTakeFirst()
        if (numDeletedRows === 0n) return false
        await bump(tx, id)
        await addEvents(tx, [event])
        return true
      }),
    begin: (id, settings, values) =>
      db.transaction().execute(async (tx) => {
        await tx
          .insertInto('space')
          .values({ repo_id: id, ...toRow(settings) })
          .execute()
        const rows = (['secret', 'variable'] as const).flatMap((kind) =>
          values[kind].map((it) => ({ repo_id: id, kind, ...it, updated_at: now() })),
        )
        if (rows.length > 0) await tx.insertInto('space_value').values(rows).execute()
      }),
  }
}

/** The row, with the next revision. */
async function bump(tx: Transaction<Schema>, id: string, by = 1): Promise<void> {
  await tx
    .insertInto('space')
    .values({ repo_id: id, revision: by })
    .onConflict((oc) => oc.column('repo_id').doUpdateSet({ revision: sql`space.revision + ${by}` }))
    .execute()
}

function toRow(change: Partial<SpaceSettings>) {
  const { hardware, storage, sleepSeconds, devMode, paused, volumes } = change
  return {
    ...(hardware !== undefined ? { hardware } : {}),
    ...(storage !== undefined ? { storage } : {}),
    ...(sleepSeconds !== undefined ? { sleep_seconds: sleepSeconds } : {}),
    ...(devMode !== undefined ? { dev_mode: devMode ? 1 : 0 } : {}),
    ...(paused !== undefined ? { paused: paused ? 1 : 0 } : {}),
    ...(volumes !== undefined ? { volumes: JSON.stringify(volumes) } : {}),
  }
}

function toSettings(row: {
  hardware: string | null
  storage: string | null
  sleep_seconds: number | null
  dev_mode: number
  paused: number
  volumes: string
  revision: number
  factory_revision: number | null
}): SpaceSettings {
  return {
    hardware: row.hardware,
    storage: row.storage,
    sleepSeconds: row.sleep_seconds,
    devMode: row.dev_mode === 1,
    paused: row.paused === 1,
    volumes: JSON.parse(row.volumes) as AttachedVolume[],
    revision: row.revision,
    factoryRevision: row.factory_revision,
  }
}
