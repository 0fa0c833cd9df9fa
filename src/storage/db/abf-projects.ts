import { sql } from 'kysely'
import type { AccountSearch, ProjectStore, SystemUserStore } from '../../domain/packages/ports.js'
import type { User } from '../../domain/types.js'
import { toAccount } from './abf-platforms.js'
import { toShelf } from './abf-shelves.js'
import type { Db } from './open.js'
import { escapeLike, now, pagesOf, toUser } from './rows.js'

export function projectStore(db: Db): ProjectStore {
  return {
    link: (shelfId, repoId) =>
      db.transaction().execute(async (tx) => {
        const taken = await tx
          .selectFrom('shelf as wanted')
          .innerJoin('shelf', 'shelf.platform_id', 'wanted.platform_id')
          .innerJoin('shelf_project', 'shelf_project.shelf_id', 'shelf.id')
          .select('shelf_project.repo_id')
          .where('wanted.id', '=', shelfId)
          .where('shelf_project.shown', '<>', '')
          .where(
            sql<boolean>`lower(shelf_project.name) = (select lower(name) from repo where id = ${repoId})`,
          )
          .limit(1)
          .executeTakeFirst()
        if (taken) return 'name_taken'
        await tx
          .insertInto('shelf_project')
          .values({ shelf_id: shelfId, repo_id: repoId, created_at: now() })
          .execute()
        return 'linked'
      }),
    async unlink(shelfId, repoId) {
      await db
        .deleteFrom('shelf_project')
        .where('shelf_id', '=', shelfId)
        .where('repo_id', '=', repoId)
        .execute()
    },
    async listShelves(repoId) {
      const rows = await db
        .selectFrom('shelf')
        .innerJoin('shelf_project', 'shelf_project.shelf_id', 'shelf.id')
        .selectAll('shelf')
        .where('shelf_project.repo_id', '=', repoId)
        .orderBy('shelf.id')
        .execute()
      return rows.map(toShelf)
    },
    async details(repos) {
      const rows = []
      for (const page of pagesOf(repos))
        rows.push(
          ...(await db
            .selectFrom('repo')
            .innerJoin('namespace', 'namespace.id', 'repo.namespace_id')
            .leftJoin('project_detail', 'project_detail.repo_id', 'repo.id')
            .select([
              'repo.id as repoId',
              'is_package',
              'has_issues',
              'has_wiki',
              'publish_i686_into_x86_64',
            ])
            .select(
              sql<
                number | null
              >`coalesce(project_detail.maintainer_id, case when namespace.type = 'user' then namespace.id else
                (select min(user_id) from org_member where org_id = namespace.id and role = 'owner') end)`.as(
                'maintainerId',
              ),
            )
            .where(
              'repo.id',
              'in',
              page.map((it) => it.id),
            )
            .execute()),
        )
      const people = await usersById(db, [...new Set(rows.flatMap((it) => it.maintainerId ?? []))])
      return new Map(
        rows.map((it) => [
          it.repoId,
          {
            maintainer: it.maintainerId === null ? undefined : people.get(it.maintainerId),
            isPackage: it.is_package !== 0,
            hasIssues: it.has_issues !== 0,
            hasWiki: it.has_wiki === 1,
            publishI686IntoX8664: it.publish_i686_into_x86_64 === 1,
          },
        ]),
      )
    },
    async setDetail(repoId, change) {
      const set = {
        ...(change.maintainerId !== undefined ? { maintainer_id: change.maintainerId } : {}),
        ...(change.isPackage !== undefined ? { is_package: change.isPackage ? 1 : 0 } : {}),
        ...(change.hasIssues !== undefined ? { has_issues: change.hasIssues ? 1 : 0 } : {}),
        ...(change.hasWiki !== undefined ? { has_wiki: change.hasWiki ? 1 : 0 } : {}),
        ...(change.publishI686IntoX8664 !== undefined
          ? { publish_i686_into_x86_64: change.publishI686IntoX8664 ? 1 : 0 }
          : {}),
      }
      if (Object.keys(set).length === 0) return
      await db
        .insertInto('project_detail')
        .values({
          repo_id: repoId,
          maintainer_id: null,
          is_package: 1,
          has_issues: 1,
          has_wiki: 0,
          publish_i686_into_x86_64: 0,
          ...set,
        })
        .onConflict((oc) => oc.column('repo_id').doUpdateSet(set))
        .execute()
    },
  }
}

async function usersById(db: Db, ids: readonly number[]): Promise<Map<number, User>> {
  const found = new Map<number, User>()
  for (const page of pagesOf(ids)) {
    const rows = await db
      .selectFrom('namespace')
      .selectAll()
      .where('id', 'in', page)
      .where('type', '=', 'user')
      .execute()
    for (const row of rows) found.set(row.id, toUser(row))
  }
  return found
}

export function systemUserStore(db: Db): SystemUserStore {
  return {
    async has(userId) {
      const row = await db
        .selectFrom('system_user')
        .select('user_id')
        .where('user_id', '=', userId)
        .executeTakeFirst()
      return row !== undefined
    },
    async set(userId, isSystem) {
      if (isSystem)
        await db
          .insertInto('system_user')
          .values({ user_id: userId, created_at: now() })
          .onConflict((oc) => oc.doNothing())
          .execute()
      else await db.deleteFrom('system_user').where('user_id', '=', userId).execute()
    },
  }
}

/** System users are nobody's to find. */
export function accountSearch(db: Db): AccountSearch {
  const matching = (
    type: 'user' | 'org',
    { text, memberId }: { text?: string; memberId?: number },
  ) => {
    let query = db
      .selectFrom('namespace')
      .where('namespace.type', '=', type)
      .where('namespace.id', 'not in', (eb) => eb.selectFrom('system_user').select('user_id'))
    if (text)
      query = query.where(
        sql<boolean>`lower(namespace.name) like ${`%${escapeLike(text.toLowerCase())}%`} escape '\\'`,
      )
    if (memberId !== undefined)
      query = query.where('namespace.id', 'in', (eb) =>
        eb.selectFrom('org_member').select('org_id').where('user_id', '=', memberId),
      )
    return query
  }
  return {
    async search(type, { limit, offset, ...what }) {
      const rows = await matching(type, what)
        .selectAll('namespace')
        .orderBy('namespace.name')
        .limit(limit)
        .offset(offset)
        .execute()
      return rows.map(toAccount)
    },
    async count(type, what) {
      const { n } = await matching(type, what)
        .select((eb) => eb.fn.countAll<number>().as('n'))
        .executeTakeFirstOrThrow()
      return Number(n)
    },
  }
}
