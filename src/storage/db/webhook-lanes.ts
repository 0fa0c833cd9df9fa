import type { Selectable, Transaction } from 'kysely'
import type { Db } from './open.js'
import { now, pagesOf } from './rows.js'
import type { Schema } from './schema.js'

export type NewDelivery = Pick<
  Selectable<Schema['webhook_delivery']>,
  'webhook_id' | 'event_id' | 'repo_id' | 'site_change' | 'was_member'
>

/** New deliveries, each at the end of its webhook's and repository's lane. Answers their ids. */
export async function addToLanes(
  tx: Transaction<Schema> | Db,
  deliveries: readonly NewDelivery[],
): Promise<number[]> {
  const at = now()
  const ids: number[] = []
  for (const page of pagesOf(deliveries)) {
    const made = await tx
      .insertInto('webhook_delivery')
      .values(
        page.map(({ webhook_id, event_id, repo_id, site_change, was_member }) => ({
          webhook_id,
          event_id,
          repo_id,
          site_change,
          was_member,
          status: 'waiting',
          attempts: 0,
          created_at: at,
        })),
      )
      .returning('id')
      .execute()
    ids.push(...made.map((it) => it.id))
    // a lane that is there goes on as it was: what stands before this one comes first
    await tx
      .insertInto('webhook_lane')
      .values(
        page.map(({ webhook_id, repo_id }) => ({
          webhook_id,
          repo_id,
          next_at: at,
          lease_owner: null,
          lease_until: null,
        })),
      )
      .onConflict((oc) => oc.columns(['webhook_id', 'repo_id']).doNothing())
      .execute()
  }
  return ids
}

/** What waits for its next attempt is due now. */
export async function hurryLanes(tx: Transaction<Schema>, webhookId: string): Promise<void> {
  await tx
    .updateTable('webhook_lane')
    .set({ next_at: now() })
    .where('webhook_id', '=', webhookId)
    .execute()
}
