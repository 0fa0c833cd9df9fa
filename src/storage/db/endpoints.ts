import type { Selectable } from 'kysely'
import type { Endpoint, EndpointSpec, EndpointStore } from '../../domain/endpoints/ports.js'
import { HubError } from '../../domain/errors.js'
import { addEvents } from './events.js'
import type { Db } from './open.js'
import { isUniqueViolation, now } from './rows.js'
import type { Schema } from './schema.js'

export function endpointStore(db: Db): EndpointStore {
  const select = () => db.selectFrom('endpoint').selectAll()
  return {
    async create(endpoint, max, event) {
      const at = now()
      const row = {
        id: endpoint.id,
        namespace_id: endpoint.namespaceId,
        name: endpoint.name,
        spec: JSON.stringify(endpoint.spec),
        sealed: endpoint.sealed,
        wanted: endpoint.wanted,
        revision: 0,
        created_by: endpoint.createdBy,
        created_at: at,
        updated_at: at,
      }
      try {
        await db.transaction().execute(async (tx) => {
          const { n } = await tx
            .selectFrom('endpoint')
            .select((eb) => eb.fn.countAll<number>().as('n'))
            .where('namespace_id', '=', endpoint.namespaceId)
            .executeTakeFirstOrThrow()
          if (Number(n) >= max)
            throw new HubError('unprocessable', `A namespace has at most ${max} endpoints.`)
          await tx.insertInto('endpoint').values(row).execute()
          await addEvents(tx, [event])
        })
      } catch (err) {
        if (!isUniqueViolation(err)) throw err
        throw new HubError('conflict', `There is an endpoint named "${endpoint.name}" already.`)
      }
      return toEndpoint(row)
    },
    async find(namespaceId, name) {
      const row = await select()
        .where('namespace_id', '=', namespaceId)
        .where('name', '=', name)
        .executeTakeFirst()
      return row && toEndpoint(row)
    },
    async findById(id) {
      const row = await select().where('id', '=', id).executeTakeFirst()
      return row && toEndpoint(row)
    },
    async list(namespaceId) {
      const rows = await select().where('namespace_id', '=', namespaceId).orderBy('name').execute()
      return rows.map(toEndpoint)
    },
    change: (from, { spec, sealed, wanted }, event) =>
      db.transaction().execute(async (tx) => {
        const row = await tx
          .updateTable('endpoint')
          .set({
            ...(spec ? { spec: JSON.stringify(spec) } : {}),
            ...(sealed !== undefined ? { sealed } : {}),
            ...(wanted ? { wanted } : {}),
            revision: from.revision + 1,
            updated_at: now(),
          })
          .where('id', '=', from.id)
          .where('revision', '=', from.revision)
          .returningAll()
          .executeTakeFirst()
        if (!row) throw new HubError('conflict', 'The endpoint was changed meanwhile. Try again.')
        await addEvents(tx, [event])
        return toEndpoint(row)
      }),
    async remove(id, event) {
      await db.transaction().execute(async (tx) => {
        await tx.deleteFrom('endpoint').where('id', '=', id).execute()
        await addEvents(tx, [event])
      })
    },
  }
}

function toEndpoint(row: Selectable<Schema['endpoint']>): Endpoint {
  return {
    id: row.id,
    namespaceId: row.namespace_id,
    name: row.name,
    spec: JSON.parse(row.spec) as EndpointSpec,
    sealed: row.sealed,
    wanted: row.wanted,
    revision: row.revision,
    createdBy: row.created_by,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
  }
}
