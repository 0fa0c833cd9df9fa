import { sql, type Transaction } from 'kysely'
import { HubError } from '../../domain/errors.js'
import { poolOf } from '../../domain/quotas/quotas.js'
import { nameKey } from '../../domain/repos/names.js'
import type { RepoStore } from '../../domain/repos/ports.js'
import type { Repo, RepoAddress } from '../../domain/types.js'
import { keepLinksRight, putOnPersonalShelf } from './abf-links.js'
import { addEvents } from './events.js'
import { enqueueJob } from './jobs.js'
import type { Db } from './open.js'
import { requireFits } from './quotas.js'
import { repoActivity } from './repo-activity.js'
import { repoLists } from './repo-lists.js'
import { isUniqueViolation, now, toRepo } from './rows.js'
import type { Schema } from './schema.js'
import { selectRepos } from './select-repos.js'

export function repoStore(db: Db): RepoStore {
  const findById = async (id: string): Promise<Repo | undefined> => {
    const row = await selectRepos(db).where('repo.id', '=', id).executeTakeFirst()
    return row && toRepo(row)
  }
  const readById = async (tx: Db | Transaction<Schema>, id: string): Promise<Repo> => {
    const row = await selectRepos(tx).where('repo.id', '=', id).executeTakeFirst()
    if (row?.state !== 'ready') throw new HubError('repo_not_found', 'Repository not found')
    return toRepo(row)
  }

  return {
    ...repoActivity(db),
    ...repoLists(db),
    findById,
    async findByAddress({ kind, namespace, name }) {
      const row = await selectRepos(db)
        .where('namespace.name_key', '=', nameKey(namespace))
        .where('repo.kind', '=', kind)
        .where('repo.name_key', '=', nameKey(name))
        .where('repo.state', '=', 'ready')
        .executeTakeFirst()
      if (!row) return undefined
      const same =
        row.namespace.toLowerCase() === namespace.toLowerCase() &&
        row.name.toLowerCase() === name.toLowerCase()
      return same ? toRepo(row) : undefined
    },
    async findNamesake(kind, namespaceId, name) {
      const row = await selectRepos(db)
        .where('repo.namespace_id', '=', namespaceId)
        .where('repo.kind', '=', kind)
        .where('repo.name_key', '=', nameKey(name))
        .executeTakeFirst()
      return row && toRepo(row)
    },
    async findBySeq(seq) {
      const row = await selectRepos(db).where('repo.seq', '=', seq).executeTakeFirst()
      return row && toRepo(row)
    },
    async findRedirect({ kind, namespace, name }) {
      const row = await selectRepos(db)
        .innerJoin('repo_redirect', 'repo_redirect.repo_id', 'repo.id')
        .where('repo_redirect.kind', '=', kind)
        .where('repo_redirect.namespace_key', '=', nameKey(namespace))
        .where('repo_redirect.name_key', '=', nameKey(name))
        .where('repo.state', '=', 'ready')
        .executeTakeFirst()
      return row && toRepo(row)
    },
    async scan(afterSeq, limit) {
      const rows = await selectRepos(db)
        .where('repo.seq', '>', afterSeq)
        .where('repo.state', '=', 'ready')
        .orderBy('repo.seq')
        .limit(limit)
        .execute()
      return rows.map(toRepo)
    },
    async create(repo) {
      try {
        await db
          .insertInto('repo')
          .values({
            id: repo.id,
            kind: repo.kind,
            namespace_id: repo.namespaceId,
            name: repo.name,
            name_key: nameKey(repo.name),
            visibility: repo.visibility,
            gate: 'none',
            description: repo.description,
            default_branch: repo.defaultBranch,
            object_format: repo.objectFormat,
            state: 'creating',
            disabled: 0,
            sdk: repo.sdk,
            created_at: now(),
            updated_at: now(),
            pushed_at: null,
            head_oid: null,
            head_at: null,
            commit_count: 0,
            refs_digest: '',
            git_bytes: 0,
            lfs_bytes: 0,
            quota_bytes: null,
            downloads: 0,
            likes: 0,
            trending_score: 0,
            settings: '{}',
            creating_owner: repo.owner,
          })
          .execute()
      } catch (err) {
        throw isUniqueViolation(err) ? await existsError(db, repo, err) : err
      }
      return (await findById(repo.id)) as Repo
    },
    async markReady(id, event) {
      await db.transaction().execute(async (tx) => {
        const row = await tx
          .updateTable('repo')
          .set({ state: 'ready', creating_owner: null })
          .where('id', '=', id)
          .where('state', '=', 'creating')
          .returning(['kind', 'namespace_id', 'name'])
          .executeTakeFirst()
        if (!row) throw new HubError('conflict', 'The creation took too long and was given up.')
        // only now: a creation that a crash cuts off must not cost the name's last owner its redirect
        await dropRedirect(tx, row.kind, row.namespace_id, row.name)
        await putOnPersonalShelf(tx, id)
        await addEvents(tx, [event])
      })
    },
    async markDeleting(id, event) {
      await db.transaction().execute(async (tx) => {
        const { numUpdatedRows } = await tx
          .updateTable('repo')
          .set({ state: 'deleting', name_key: null })
          .where('id', '=', id)
          .where('state', '!=', 'deleting')
          .executeTakeFirst()
        if (numUpdatedRows === 0n) throw new HubError('repo_not_found', 'Repository not found')
        // first, while the members that may hear of it are still known
        await addEvents(tx, [event])
        await tx.deleteFrom('repo_redirect').where('repo_id', '=', id).execute()
        await tx.deleteFrom('repo_member').where('repo_id', '=', id).execute()
        await enqueueJob(tx, { kind: 'repo.purge', key: id })
      })
    },
    async purge(id) {
      // files and links first, in pages: one delete of millions of rows would hold the write lock too long
      for (const table of ['file', 'lfs_link', 'ref'] as const) {
        for (;;) {
          const { numAffectedRows } = await sql`delete from ${sql.table(table)} where rowid in
            (select rowid from ${sql.table(table)} where repo_id = ${id} limit 5000)`.execute(db)
          if (!numAffectedRows) break
        }
      }
      await db.deleteFrom('repo').where('id', '=', id).where('state', '!=', 'ready').execute()
    },
    async listUnfinished() {
      const rows = await selectRepos(db).where('repo.state', '=', 'creating').execute()
      return rows.map((row) => ({ repo: toRepo(row), owner: row.creating_owner }))
    },
    async move(id, to, { redirect, requireRoom, event }) {
      try {
        return await db.transaction().execute(async (tx) => {
          const before = await readById(tx, id)
          const changesOwner = before.namespaceId !== to.namespaceId
          await tx
            .updateTable('repo')
            .set({
              namespace_id: to.namespaceId,
              name: to.name,
              name_key: nameKey(to.name),
              updated_at: now(),
              // a limit set by the old owner does not bind the new one
              ...(changesOwner ? { quota_bytes: null } : {}),
            })
            .where('id', '=', id)
            .execute()
          if (requireRoom && changesOwner) await requireFits(tx, id, 0)
          await dropRedirect(tx, before.kind, to.namespaceId, to.name)
          if (redirect) await addRedirect(tx, before)
          else await tx.deleteFrom('repo_redirect').where('repo_id', '=', id).execute()
          await keepLinksRight(tx, id, before)
          await addEvents(tx, [event])
          return readById(tx, id)
        })
      } catch (err) {
        if (!isUniqueViolation(err)) throw err
        const repo = await readById(db, id)
        throw await existsError(db, { kind: repo.kind, ...to }, err)
      }
    },
    async updateSettings(id, change, event, { requireRoom } = { requireRoom: true }) {
      const set = {
        ...(change.visibility !== undefined ? { visibility: change.visibility } : {}),
        ...(change.gate !== undefined ? { gate: change.gate } : {}),
        ...(change.description !== undefined ? { description: change.description } : {}),
        ...(change.defaultBranch !== undefined ? { default_branch: change.defaultBranch } : {}),
        ...(change.quotaBytes !== undefined ? { quota_bytes: change.quotaBytes } : {}),
        ...(change.disabled !== undefined ? { disabled: change.disabled ? 1 : 0 } : {}),
        ...(change.sdk !== undefined ? { sdk: change.sdk } : {}),
      }
      return db.transaction().execute(async (tx) => {
        const before = await readById(tx, id)
        await tx
          .updateTable('repo')
          .set({ ...set, updated_at: now() })
          .where('id', '=', id)
          .execute()
        const after = await readById(tx, id)
        const otherPool = poolOf(before.visibility) !== poolOf(after.visibility)
        if (otherPool && requireRoom) await requireFits(tx, id, 0, { ownLimit: false })
        const opened = before.visibility !== after.visibility
        if (opened || before.gate !== after.gate || before.disabled !== after.disabled)
          await enqueueJob(tx, { kind: 'repo.shown', key: id })
        await addEvents(tx, [
          opened
            ? { ...event, data: { ...event.data, visibilityBefore: before.visibility } }
            : event,
        ])
        return after
      })
    },
    async readExtraSettings(id) {
      const row = await db
        .selectFrom('repo')
        .select('settings')
        .where('id', '=', id)
        .executeTakeFirst()
      return JSON.parse(row?.settings ?? '{}') as Record<string, unknown>
    },
    async updateExtraSettings(id, change) {
      await db.transaction().execute(async (tx) => {
        const row = await tx
          .selectFrom('repo')
          .select('settings')
          .where('id', '=', id)
          .executeTakeFirst()
        const settings = { ...(JSON.parse(row?.settings ?? '{}') as object), ...change }
        await tx
          .updateTable('repo')
          .set({ settings: JSON.stringify(settings), updated_at: now() })
          .where('id', '=', id)
          .execute()
      })
    },
    async memberRoles(id, accountIds) {
      const rows = await db
        .selectFrom('repo_member')
        .select('role')
        .where('repo_id', '=', id)
        .where('user_id', 'in', accountIds)
        .execute()
      return rows.map((it) => it.role)
    },
    async setMember(id, userId, role) {
      if (role === null)
        await db
          .deleteFrom('repo_member')
          .where('repo_id', '=', id)
          .where('user_id', '=', userId)
          .execute()
      else
        await db
          .insertInto('repo_member')
          .values({ repo_id: id, user_id: userId, role, created_at: now() })
          .onConflict((oc) => oc.columns(['repo_id', 'user_id']).doUpdateSet({ role }))
          .execute()
    },
    async listMembers(id) {
      const rows = await db
        .selectFrom('repo_member')
        .innerJoin('namespace', 'namespace.id', 'repo_member.user_id')
        .select(['repo_member.user_id', 'namespace.name', 'namespace.type', 'repo_member.role'])
        .where('repo_member.repo_id', '=', id)
        .execute()
      return rows.map(({ user_id: userId, name, type, role }) => ({ userId, name, type, role }))
    },
    async addAlias(id, { kind, namespace, name }, event) {
      await db.transaction().execute(async (tx) => {
        const owner = await tx
          .selectFrom('namespace')
          .select('id')
          .where('name_key', '=', nameKey(namespace))
          .executeTakeFirstOrThrow()
        const taken = await tx
          .selectFrom('repo')
          .select('id')
          .where('namespace_id', '=', owner.id)
          .where('kind', '=', kind)
          .where('name_key', '=', nameKey(name))
          .executeTakeFirst()
        if (taken) throw await existsError(tx, { kind, namespaceId: owner.id, name }, undefined)
        await leadTo(tx, id, { kind, namespace, name })
        await addEvents(tx, [event])
      })
    },
  }
}

async function namespaceKey(tx: Db | Transaction<Schema>, namespaceId: number): Promise<string> {
  const row = await tx
    .selectFrom('namespace')
    .select('name_key')
    .where('id', '=', namespaceId)
    .executeTakeFirstOrThrow()
  return row.name_key
}

async function dropRedirect(
  tx: Transaction<Schema>,
  kind: string,
  namespaceId: number,
  name: string,
): Promise<void> {
  await tx
    .deleteFrom('repo_redirect')
    .where('kind', '=', kind)
    .where('namespace_key', '=', await namespaceKey(tx, namespaceId))
    .where('name_key', '=', nameKey(name))
    .execute()
}

async function addRedirect(tx: Transaction<Schema>, from: Repo): Promise<void> {
  const taken = await tx
    .selectFrom('repo')
    .select('id')
    .where('namespace_id', '=', from.namespaceId)
    .where('kind', '=', from.kind)
    .where('name_key', '=', nameKey(from.name))
    .executeTakeFirst()
  if (taken) return // only the spelling changed
  await leadTo(tx, from.id, from)
}

async function leadTo(tx: Transaction<Schema>, id: string, from: RepoAddress): Promise<void> {
  await tx
    .insertInto('repo_redirect')
    .values({
      kind: from.kind,
      namespace_key: nameKey(from.namespace),
      name_key: nameKey(from.name),
      repo_id: id,
      created_at: now(),
    })
    .onConflict((oc) =>
      oc.columns(['kind', 'namespace_key', 'name_key']).doUpdateSet({ repo_id: id }),
    )
    .execute()
}

async function existsError(
  db: Db | Transaction<Schema>,
  wanted: { kind: RepoAddress['kind']; namespaceId: number; name: string },
  cause: unknown,
): Promise<HubError> {
  const row = await selectRepos(db)
    .where('repo.namespace_id', '=', wanted.namespaceId)
    .where('repo.kind', '=', wanted.kind)
    .where('repo.name_key', '=', nameKey(wanted.name))
    .executeTakeFirst()
  const other = row && toRepo(row)
  const id = other ? `${other.namespace}/${other.name}` : wanted.name
  return new HubError(
    'repo_exists',
    `You already created this ${wanted.kind} repo: ${id}`,
    { other },
    cause,
  )
}
