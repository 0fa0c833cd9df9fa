import type { CommitInfo } from '../../domain/ports.js'
import type { GitOid, Repo } from '../../domain/types.js'
import { type KohakuRequest, type KohakuRoute, openRepo, param } from './parts.js'

const COMMIT = '/api/:type/:namespace/:name/commit/:commit'
/** A diff lists this many files; `truncated` tells that there are more. */
const MAX_FILES = 1_000

export const commitRoutes: readonly KohakuRoute[] = [
  { method: 'get', path: COMMIT, handle: showCommit },
  { method: 'get', path: `${COMMIT}/diff`, handle: showDiff },
]

async function showCommit(it: KohakuRequest): Promise<void> {
  const found = await readCommit(it)
  if (!found) return
  const { commit } = found
  const [title = '', ...rest] = commit.message.split('\n')
  it.res.json({
    id: commit.oid,
    oid: commit.oid,
    title,
    message: commit.message,
    description: rest.join('\n').trim(),
    date: Math.floor(Date.parse(commit.committer.at) / 1000),
    committed_at: commit.committer.at,
    author: commit.author.name,
    parents: commit.parents,
    metadata: {},
  })
}

/** Files that differ from the first parent; the first commit has none to differ from and answers no files. */
async function showDiff(it: KohakuRequest): Promise<void> {
  const found = await readCommit(it)
  if (!found) return
  const { repo, commit } = found
  const [parent] = commit.parents
  const { files, truncated } = parent
    ? await diff(it, repo, parent, commit.oid)
    : { files: [], truncated: false }
  it.res.json({ files, parent_commit: parent ?? null, truncated })
}

async function diff({ parts }: KohakuRequest, repo: Repo, parent: GitOid, oid: GitOid) {
  const changes: { path: string; before: GitOid | undefined; after: GitOid | undefined }[] = []
  let truncated = false
  for await (const { path, after } of parts.git.diffFiles(repo.id, parent, oid)) {
    if (changes.length >= MAX_FILES) {
      truncated = true
      break
    }
    const before = await parts.git.findEntry(repo.id, parent, path)
    changes.push({ path, before: before?.oid, after: after?.oid })
  }
  changes.sort((a, b) => (a.path < b.path ? -1 : 1))
  const blobs = new Set(changes.flatMap((it) => it.after ?? it.before ?? []))
  const { sizes, pointers } = await parts.git.inspectBlobs(repo.id, [...blobs])
  const files = changes.map(({ path, before, after }) => {
    const blob = after ?? before ?? ''
    const pointer = pointers.get(blob)
    return {
      path,
      type: !before ? 'added' : !after ? 'removed' : 'changed',
      path_type: 'object',
      size_bytes: pointer?.size ?? sizes.get(blob) ?? 0,
      is_lfs: pointer !== undefined,
      sha256: pointer?.oid ?? null,
    }
  })
  return { files, truncated }
}

async function readCommit(
  it: KohakuRequest,
): Promise<{ repo: Repo; commit: CommitInfo } | undefined> {
  const opened = await openRepo(it, 'read')
  if (!opened) return undefined
  await it.parts.access.requireContent(it.caller, opened)
  const { repo } = opened
  const oid = await it.parts.revisions.read(repo, param(it, 'commit'))
  return { repo, commit: await it.parts.git.readCommit(repo.id, oid) }
}
