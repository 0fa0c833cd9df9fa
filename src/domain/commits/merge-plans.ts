import { HubError } from '../errors.js'
import type { CommitInfo, GitEngine, Signature } from '../ports.js'
import type { GitOid, Repo } from '../types.js'

/** Tree of a three-way merge. Throws `conflict` with the paths in its facts. */
export async function mergedTree(
  git: GitEngine,
  repo: Repo,
  ours: GitOid,
  theirs: GitOid,
): Promise<GitOid> {
  const { treeOid, conflicts } = await git.mergeTree(repo.id, ours, theirs)
  if (conflicts.length === 0) return treeOid
  const shown = conflicts.slice(0, 20).join(', ')
  throw new HubError('conflict', `Conflicting changes in: ${shown}`, { conflicts })
}

/** A commit with the files of one and another as its parent: what makes git take that other one for the merge base. */
export async function withFilesOf(
  git: GitEngine,
  repo: Repo,
  commit: GitOid,
  parent: GitOid,
  author: Signature,
): Promise<GitOid> {
  const { treeOid } = await git.readCommit(repo.id, commit)
  return git.commitTree(repo.id, { treeOid, parents: [parent], message: 'for a merge', author })
}

/** The commits, oldest first and on a straight line, anew on top of another. What changes nothing there is left out. */
export async function rebased(
  git: GitEngine,
  repo: Repo,
  onto: GitOid,
  commits: readonly CommitInfo[],
  committer: Signature,
): Promise<GitOid> {
  let tip = onto
  for (const { oid, parents, message, author } of commits) {
    const parent = parents[0]
    if (!parent) throw new HubError('conflict', 'The two have no common history.')
    if (parent === tip) {
      tip = oid
      continue
    }
    const ours = await withFilesOf(git, repo, tip, parent, committer)
    const treeOid = await mergedTree(git, repo, ours, oid)
    if (treeOid === (await git.readCommit(repo.id, tip)).treeOid) continue
    tip = await git.commitTree(repo.id, { treeOid, parents: [tip], message, author, committer })
  }
  return tip
}
