import type { Request } from 'express'
import type { Namespace, Repo } from '../../domain/types.js'
import { repoUrlPath } from '../../protocol/repo-path.js'
import { seconds } from './input.js'
import type { OutpostParts } from './parts.js'

export function toSummary(repo: Repo, language: string | null) {
  return {
    id: repo.id,
    name: repo.name,
    namespace: repo.namespace,
    full_name: `${repo.namespace}/${repo.name}`,
    description: repo.description,
    visibility: repo.visibility,
    default_branch: repo.defaultBranch,
    size_bytes: sizeOf(repo),
    language,
    created_at: seconds(repo.createdAt),
    updated_at: seconds(repo.updatedAt),
    pushed_at: seconds(repo.pushedAt),
  }
}

/** What was pushed, as stored; a repository that nobody pushed to has 0 even if it began with a commit of ours. */
function sizeOf(repo: Repo): number {
  return repo.pushedAt === null ? 0 : repo.gitBytes + repo.lfsBytes
}

export async function toDetail(parts: OutpostParts, repo: Repo, namespace: Namespace) {
  const [languages, settings, snapshot, members] = await Promise.all([
    parts.stores.languages.find([repo.id]),
    parts.stores.repos.readExtraSettings(repo.id),
    parts.git.snapshot(repo.id),
    parts.stores.repos.listMembers(repo.id),
  ])
  const people =
    namespace.type === 'user'
      ? [namespace.id]
      : (await parts.stores.accounts.listMembers(namespace.id)).map((it) => it.user.id)
  const count = (prefix: string) => snapshot.refs.filter((it) => it.name.startsWith(prefix)).length
  const { created_at, updated_at, pushed_at, ...summary } = toSummary(
    repo,
    languages.get(repo.id) ?? null,
  )
  return {
    ...summary,
    content_addressed: settings.content_addressed !== false,
    branch_protection: (await parts.protection.read(repo)).enabled,
    secret_scanning: settings.secret_scanning === true,
    collaborators: new Set([...people, ...members.map((it) => it.userId)]).size,
    branches: count('refs/heads/'),
    tags: count('refs/tags/'),
    created_at,
    updated_at,
    pushed_at,
  }
}

/** There is no SSH server behind `ssh_url`: the field is part of the contract (see the dialect's README). */
export function urlsOf(parts: OutpostParts, req: Request, repo: Repo) {
  const base = parts.baseUrl(req)
  const path = repoUrlPath(repo)
  return {
    clone_url: `${base}${path}.git`,
    ssh_url: `git@${new URL(base).hostname}:${path.slice(1)}.git`,
  }
}
