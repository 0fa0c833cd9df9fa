import { z } from 'zod'
import type { MergeResult } from '../../domain/commits/branch-merges.js'
import { HubError } from '../../domain/errors.js'
import type { GitOid, Repo } from '../../domain/types.js'
import { check, readJson } from '../../http/body.js'
import { actorOf } from './branches.js'
import type { HfParts, HfRequest, RepoRoute } from './parts.js'
import { splitMessage } from './shapes.js'

const MAX_BODY = 1024 * 1024
const MAX_DIFF_BYTES = 8 * 1024 * 1024
const MAX_FILE_BYTES = 1_000_000
/** A diff lists this many files; `truncated` tells that there are more. */
const MAX_FILES = 1_000

const message = z.string().max(100_000).nullish()
const RevertBody = z.object({
  ref: z.string(),
  parent_number: z.number().int().min(1).max(64).nullish(),
  message,
})
const MergeBody = z.object({
  message,
  squash_merge: z.boolean().nullish(),
  strategy: z.null().optional(),
})
const ResetBody = z.object({ ref: z.string(), message, force: z.boolean().nullish() })

/** KohakuHub's endpoints on commits and branches (seed 000, kohaku-outpost A.8), over git's own history. */
export const historyRoutes: readonly RepoRoute[] = [
  { method: 'GET', path: /^commit\/([^/]+)$/, right: 'read', handle: showCommit },
  { method: 'GET', path: /^commit\/([^/]+)\/diff$/, right: 'read', handle: showDiff },
  { method: 'POST', path: /^branch\/([^/]+)\/revert$/, right: 'write', handle: revert },
  { method: 'POST', path: /^branch\/([^/]+)\/reset$/, right: 'write', handle: reset },
  { method: 'POST', path: /^merge\/([^/]+)\/into\/([^/]+)$/, right: 'write', handle: merge },
]

async function showCommit({ res, parts, opened, params }: HfRequest): Promise<void> {
  const oid = await parts.revisions.read(opened.repo, params[0] ?? '')
  const it = await parts.git.readCommit(opened.repo.id, oid)
  const { title, body } = splitMessage(it.message)
  res.json({
    id: oid,
    oid,
    title,
    message: it.message,
    description: body,
    date: Math.floor(Date.parse(it.committer.at) / 1000),
    committed_at: it.committer.at,
    parents: it.parents,
    author: it.author.name,
    email: it.author.email,
    metadata: {},
  })
}

/** Text of files below 1 MB; the first commit has nothing to be compared with. */
async function showDiff({ res, parts, caller, opened, params }: HfRequest): Promise<void> {
  await parts.access.requireContent(caller, opened)
  const { repo } = opened
  const oid = await parts.revisions.read(repo, params[0] ?? '')
  const [parent] = (await parts.git.readCommit(repo.id, oid)).parents
  if (!parent) return void res.json({ files: [], parent_commit: null, truncated: false })
  const { changes, truncated } = await listChanges(parts, repo, parent, oid)
  const blobs = new Set(changes.flatMap((it) => it.after ?? it.before ?? []))
  const { sizes, pointers } = await parts.git.inspectBlobs(repo.id, [...blobs])
  const texts = await parts.git.diffTexts(repo.id, parent, oid, MAX_DIFF_BYTES)
  const files = changes.map(({ path, before, after }) => {
    const blob = after ?? before ?? ''
    const pointer = pointers.get(blob)
    const size = pointer?.size ?? sizes.get(blob) ?? 0
    const diff = texts?.get(path)
    return {
      path,
      type: !before ? 'added' : !after ? 'removed' : 'changed',
      path_type: 'object',
      size_bytes: size,
      is_lfs: pointer !== undefined,
      sha256: pointer?.oid ?? null,
      ...(diff !== undefined && !pointer && size < MAX_FILE_BYTES ? { diff } : {}),
    }
  })
  res.json({ files, parent_commit: parent, truncated })
}

interface Change {
  readonly path: string
  readonly before: GitOid | undefined
  readonly after: GitOid | undefined
}

async function listChanges(
  parts: HfParts,
  repo: Repo,
  parent: GitOid,
  commit: GitOid,
): Promise<{ changes: Change[]; truncated: boolean }> {
  const changes: Change[] = []
  for await (const { path, after } of parts.git.diffFiles(repo.id, parent, commit)) {
    if (changes.length >= MAX_FILES) return { changes, truncated: true }
    const before = await parts.git.findEntry(repo.id, parent, path)
    changes.push({ path, before: before?.oid, after: after?.oid })
  }
  changes.sort((a, b) => (a.path < b.path ? -1 : 1))
  return { changes, truncated: false }
}

async function revert(it: HfRequest): Promise<void> {
  const [branch = ''] = it.params
  const body = check(RevertBody, await readJson(it.req, MAX_BODY))
  const order = {
    revision: body.ref,
    parentNumber: body.parent_number ?? 1,
    message: body.message ?? undefined,
  }
  const done = await it.parts.merges.revert(it.opened.repo, branch, order, actorOf(it))
  answer(it, done, `Successfully reverted ${body.ref} on ${branch}`)
}

async function merge(it: HfRequest): Promise<void> {
  const [from = '', into = ''] = it.params
  const body = check(MergeBody, await readJson(it.req, MAX_BODY))
  const order = { message: body.message ?? undefined, squash: body.squash_merge ?? false }
  const done = await it.parts.merges.merge(it.opened.repo, from, into, order, actorOf(it))
  answer(it, done, `Successfully merged ${from} into ${into}`)
}

async function reset(it: HfRequest): Promise<void> {
  const [branch = ''] = it.params
  const body = check(ResetBody, await readJson(it.req, MAX_BODY))
  if (branch === it.opened.repo.defaultBranch && !body.force)
    throw new HubError('invalid_input', `Resetting ${branch} needs "force": true.`)
  const order = { revision: body.ref, message: body.message ?? undefined }
  const done = await it.parts.merges.reset(it.opened.repo, branch, order, actorOf(it))
  answer(it, done, `Successfully reset ${branch} to ${body.ref}`)
}

function answer({ res }: HfRequest, { oid, changed }: MergeResult, text: string): void {
  res.json({
    success: true,
    message: changed ? text : 'Nothing to do',
    commit_id: oid,
    new_commit_id: oid,
  })
}
