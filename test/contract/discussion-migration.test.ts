import { join } from 'node:path'
import Database from 'better-sqlite3'
import { Kysely, Migrator, SqliteDialect } from 'kysely'
import { expect, test } from 'vitest'
import { openStores } from '../../src/storage/db/index.js'
import { MIGRATIONS } from '../../src/storage/db/migrations/index.js'
import { tempDir } from '../support/hub.js'

test('discussions of the first build keep their numbers, and their description becomes the first comment', async () => {
  const file = join(await tempDir(), 'old.sqlite')
  const names = Object.keys(MIGRATIONS).filter((it) => it < '0011')
  const old = Object.fromEntries(names.map((it) => [it, MIGRATIONS[it]])) as typeof MIGRATIONS
  const sqlite = new Database(file)
  const db = new Kysely<unknown>({ dialect: new SqliteDialect({ database: sqlite }) })
  const migrator = new Migrator({ db, provider: { getMigrations: async () => old } })
  expect((await migrator.migrateToLatest()).error).toBeUndefined()
  const at = '2026-01-02T03:04:05.678Z'
  sqlite.exec(`
    insert into namespace (id, name, name_key, type, is_site_admin, is_active, profile, created_at)
      values (7, 'ada', 'ada', 'user', 0, 1, '{}', '${at}');
    insert into repo (id, kind, namespace_id, name, name_key, visibility, gate, description, default_branch,
        object_format, state, disabled, created_at, updated_at, commit_count, refs_digest, git_bytes, lfs_bytes,
        downloads, likes, trending_score, settings)
      values ('repo_000000000001', 'model', 7, 'm', 'm', 'public', 'none', '', 'main', 'sha1', 'ready', 0,
        '${at}', '${at}', 0, '', 0, 0, 0, 0, 0, '{}');
    insert into discussion (repo_id, num, title, description, author_id, is_pull_request, status, base_ref, head_ref, created_at)
      values ('repo_000000000001', 1, 'A question', 'why?', 7, 0, 'open', null, null, '${at}'),
             ('repo_000000000001', 2, 'A change', 'because', null, 1, 'draft', 'refs/heads/main', 'refs/pr/2', '${at}');
  `)
  await db.destroy()

  const stores = await openStores(file)
  const { discussions } = stores
  const [pull, talk] = await discussions.list('repo_000000000001', {}, 10, 0)
  expect(talk).toMatchObject({ num: 1, title: 'A question', authorName: 'ada', createdAt: at })
  expect(pull).toMatchObject({ num: 2, status: 'draft', authorId: null, headRef: 'refs/pr/2' })
  expect(pull?.id).toMatch(/^[0-9a-f]{24}$/)
  expect(await discussions.listEntries('repo_000000000001', 1, 0, 10)).toMatchObject([
    {
      type: 'comment',
      authorName: 'ada',
      createdAt: at,
      comment: { content: 'why?', edited: false },
    },
  ])
  const next = await discussions.create(
    {
      repoId: 'repo_000000000001',
      title: 'Another',
      description: '',
      isPullRequest: false,
      status: 'open',
      authorId: 7,
      baseRef: null,
    },
    (made) => ({
      type: 'discussion.create',
      repo: undefined,
      actor: { id: 7, name: 'ada', address: '' },
      dialect: 'test',
      data: { num: made.num },
    }),
  )
  expect(next.num).toBe(3)
  await stores.close()
})
