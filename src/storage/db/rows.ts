import type { Selectable } from 'kysely'
import type { RepoCard } from '../../domain/cards/card.js'
import type { Org, Repo, Token, User } from '../../domain/types.js'
import type { Schema } from './schema.js'

export type NamespaceRow = Selectable<Schema['namespace']>

export function toUser(row: NamespaceRow): User {
  return {
    id: row.id,
    name: row.name,
    type: 'user',
    fullname: row.fullname,
    email: row.email,
    createdAt: row.created_at,
    isSiteAdmin: row.is_site_admin === 1,
    isActive: row.is_active === 1,
    privateQuotaBytes: row.private_quota_bytes,
    publicQuotaBytes: row.public_quota_bytes,
    totalQuotaBytes: row.total_quota_bytes,
  }
}

export function toOrg(row: NamespaceRow): Org {
  return {
    id: row.id,
    name: row.name,
    type: 'org',
    fullname: row.fullname,
    description: row.description,
    createdAt: row.created_at,
    privateQuotaBytes: row.private_quota_bytes,
    publicQuotaBytes: row.public_quota_bytes,
    totalQuotaBytes: row.total_quota_bytes,
  }
}

export function toToken(row: Selectable<Schema['token']>): Token {
  return {
    id: row.id,
    userId: row.user_id,
    name: row.name,
    kind: row.kind,
    role: row.role,
    repoIds: JSON.parse(row.repo_ids) as string[],
    createdAt: row.created_at,
    expiresAt: row.expires_at,
    lastUsedAt: row.last_used_at,
  }
}

export function toRepo(row: Selectable<Schema['repo']> & { namespace: string }): Repo {
  return {
    id: row.id,
    seq: row.seq,
    kind: row.kind,
    namespaceId: row.namespace_id,
    namespace: row.namespace,
    name: row.name,
    visibility: row.visibility,
    gate: row.gate,
    description: row.description,
    defaultBranch: row.default_branch,
    objectFormat: row.object_format,
    state: row.state,
    disabled: row.disabled === 1,
    sdk: row.sdk,
    createdAt: row.created_at,
    updatedAt: row.updated_at,
    pushedAt: row.pushed_at,
    headOid: row.head_oid,
    headAt: row.head_at,
    commitCount: row.commit_count,
    refsDigest: row.refs_digest,
    gitBytes: row.git_bytes,
    lfsBytes: row.lfs_bytes,
    quotaBytes: row.quota_bytes,
    downloads: row.downloads,
    likes: row.likes,
    trendingScore: row.trending_score,
  }
}

export function toCard(row: {
  card_data: string | null
  config: string | null
  safetensors: string | null
  papers: string | null
  formats: string
}): RepoCard {
  return {
    cardData: parse(row.card_data),
    config: parse(row.config),
    safetensors: parse(row.safetensors),
    papers: parse(row.papers) ?? [],
    formats: JSON.parse(row.formats) as RepoCard['formats'],
  }
}

function parse<T>(text: string | null): T | null {
  return text === null ? null : (JSON.parse(text) as T)
}

/** Pages of a list, so that no statement carries more bound values than every engine takes. */
export function pagesOf<T>(items: readonly T[], size = 500): T[][] {
  const pages: T[][] = []
  for (let at = 0; at < items.length; at += size) pages.push(items.slice(at, at + size))
  return pages
}

/** SQLite and Postgres say it alike. */
export function isUniqueViolation(err: unknown): boolean {
  const code = (err as { code?: string }).code ?? ''
  return code.startsWith('SQLITE_CONSTRAINT') ? /UNIQUE|PRIMARYKEY/.test(code) : code === '23505'
}

export function escapeLike(text: string): string {
  return text.replace(/[\\%_]/g, '\\$&')
}

export const now = () => new Date().toISOString()
