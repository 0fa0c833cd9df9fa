import type { Kysely, Migration } from 'kysely'

/** Package repositories as ABF has them: platforms with shelves, the git repositories linked to those, keys and locks. */
export const packages: Migration = {
  async up(db: Kysely<unknown>) {
    await platformTables(db)
    await shelfTables(db)
    const t = db.schema
    await t
      .createTable('project_detail')
      .addColumn('repo_id', 'text', (c) => c.primaryKey().references('repo.id').onDelete('cascade'))
      .addColumn('maintainer_id', 'integer', (c) =>
        c.references('namespace.id').onDelete('set null'),
      )
      .addColumn('is_package', 'integer', (c) => c.notNull().defaultTo(1))
      .addColumn('has_issues', 'integer', (c) => c.notNull().defaultTo(1))
      .addColumn('has_wiki', 'integer', (c) => c.notNull().defaultTo(0))
      .addColumn('publish_i686_into_x86_64', 'integer', (c) => c.notNull().defaultTo(0))
      .execute()
    await t
      .createTable('system_user')
      .addColumn('user_id', 'integer', (c) =>
        c.primaryKey().references('namespace.id').onDelete('cascade'),
      )
      .addColumn('created_at', 'text', (c) => c.notNull())
      .execute()
    await t.createIndex('repo_by_name').on('repo').columns(['name', 'seq']).execute()
  },
}

async function platformTables(db: Kysely<unknown>): Promise<void> {
  const t = db.schema
  await t
    .createTable('platform')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('name_key', 'text', (c) => c.notNull().unique())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('visibility', 'text', (c) => c.notNull())
    .addColumn('type', 'text', (c) => c.notNull())
    .addColumn('distrib_type', 'text', (c) => c.notNull())
    .addColumn('default_branch', 'text', (c) => c.notNull())
    .addColumn('released', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('owner_id', 'integer', (c) =>
      c.notNull().references('namespace.id').onDelete('cascade'),
    )
    // the account whose personal platform this is: at most one each
    .addColumn('personal_of', 'integer', (c) =>
      c.unique().references('namespace.id').onDelete('cascade'),
    )
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('updated_at', 'text', (c) => c.notNull())
    .execute()
  await t.createIndex('platform_owner').on('platform').column('owner_id').execute()
  await t
    .createTable('platform_member')
    .addColumn('platform_id', 'integer', (c) =>
      c.notNull().references('platform.id').onDelete('cascade'),
    )
    .addColumn('account_id', 'integer', (c) =>
      c.notNull().references('namespace.id').onDelete('cascade'),
    )
    .addColumn('role', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('platform_member_pk', ['platform_id', 'account_id'])
    .execute()
  await t
    .createIndex('platform_member_account')
    .on('platform_member')
    .column('account_id')
    .execute()
  await t
    .createTable('platform_token')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('platform_id', 'integer', (c) =>
      c.notNull().references('platform.id').onDelete('cascade'),
    )
    .addColumn('hash', 'text', (c) => c.notNull().unique())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('status', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .execute()
  await t.createIndex('platform_token_of').on('platform_token').column('platform_id').execute()
  await t
    .createTable('package_export')
    .addColumn('platform_id', 'integer', (c) =>
      c.primaryKey().references('platform.id').onDelete('cascade'),
    )
    .addColumn('accepted_at', 'text', (c) => c.notNull())
    .execute()
}

async function shelfTables(db: Kysely<unknown>): Promise<void> {
  const t = db.schema
  await t
    .createTable('shelf')
    .addColumn('id', 'integer', (c) => c.primaryKey().autoIncrement())
    .addColumn('platform_id', 'integer', (c) =>
      c.notNull().references('platform.id').onDelete('cascade'),
    )
    .addColumn('name', 'text', (c) => c.notNull())
    .addColumn('description', 'text', (c) => c.notNull())
    .addColumn('publish_without_qa', 'integer', (c) => c.notNull().defaultTo(1))
    .addColumn('publish_builds_only_from_branch', 'text')
    .addColumn('synchronizing_publications', 'integer', (c) => c.notNull().defaultTo(0))
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('updated_at', 'text', (c) => c.notNull())
    .addUniqueConstraint('shelf_name', ['platform_id', 'name'])
    .execute()
  await t
    .createTable('shelf_member')
    .addColumn('shelf_id', 'integer', (c) => c.notNull().references('shelf.id').onDelete('cascade'))
    .addColumn('account_id', 'integer', (c) =>
      c.notNull().references('namespace.id').onDelete('cascade'),
    )
    .addPrimaryKeyConstraint('shelf_member_pk', ['shelf_id', 'account_id'])
    .execute()
  await t.createIndex('shelf_member_account').on('shelf_member').column('account_id').execute()
  await t
    .createTable('shelf_project')
    .addColumn('shelf_id', 'integer', (c) => c.notNull().references('shelf.id').onDelete('cascade'))
    .addColumn('repo_id', 'text', (c) => c.notNull().references('repo.id').onDelete('cascade'))
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('shelf_project_pk', ['shelf_id', 'repo_id'])
    .execute()
  await t.createIndex('shelf_project_repo').on('shelf_project').column('repo_id').execute()
  await t
    .createTable('shelf_key_pair')
    .addColumn('shelf_id', 'integer', (c) =>
      c.primaryKey().references('shelf.id').onDelete('cascade'),
    )
    .addColumn('public_key', 'text', (c) => c.notNull())
    .addColumn('sealed_secret', 'text', (c) => c.notNull())
    .addColumn('fingerprint', 'text', (c) => c.notNull())
    .addColumn('updated_at', 'text', (c) => c.notNull())
    .execute()
  await t
    .createTable('mirror_lock')
    .addColumn('shelf_id', 'integer', (c) => c.notNull().references('shelf.id').onDelete('cascade'))
    .addColumn('holder', 'text', (c) => c.notNull())
    .addColumn('created_at', 'text', (c) => c.notNull())
    .addColumn('expires_at', 'text', (c) => c.notNull())
    .addPrimaryKeyConstraint('mirror_lock_pk', ['shelf_id', 'holder'])
    .execute()
}
