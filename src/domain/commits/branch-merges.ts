import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { GitEngine, RefSnapshot } from '../ports.js'
import type { Revisions } from '../refs/revisions.js'
import type { GitOid, Repo } from '../types.js'
import { type Committer, signatureOf } from './committer.js'
import { mergedTree, withFilesOf } from './merge-plans.js'

export interface MergeOrder {
  readonly message: string | undefined
  /** One commit with the changes and without the other branch as a parent. */
  readonly squash: boolean
}

export interface MergeResult {
  readonly oid: GitOid
  /** False: there was nothing to do. */
  readonly changed: boolean
}

/** Merge, revert and reset of branches without a working tree. Each makes at most one commit. */
export class BranchMerges {
  readonly #git: GitEngine
  readonly #committer: Committer
  readonly #revisions: Revisions

  constructor(parts: { git: GitEngine; committer: Committer; revisions: Revisions }) {
    this.#git = parts.git
    this.#committer = parts.committer
    this.#revisions = parts.revisions
  }

  /** Throws `conflict` with the paths in its facts, `revision_not_found`. */
  async merge(
    repo: Repo,
    from: string,
    into: string,
    order: MergeOrder,
    actor: Actor,
  ): Promise<MergeResult> {
    const theirs = await this.#revisions.read(repo, from)
    const message = order.message || `Merge ${from} into ${into}`
    return this.#onBranch(repo, into, actor, async (ours) => {
      if (await this.#git.isAncestor(repo.id, theirs, ours)) return undefined
      const treeOid = await mergedTree(this.#git, repo, ours, theirs)
      return { treeOid, parents: order.squash ? [ours] : [ours, theirs], message }
    })
  }

  /** The opposite of one commit's change; `parentNumber` tells which parent a merge is seen from, from 1. */
  async revert(
    repo: Repo,
    branch: string,
    order: { revision: string; parentNumber: number; message: string | undefined },
    actor: Actor,
  ): Promise<MergeResult> {
    const oid = await this.#revisions.read(repo, order.revision)
    const commit = await this.#git.readCommit(repo.id, oid)
    const parent = commit.parents[order.parentNumber - 1]
    if (!parent)
      throw new HubError('invalid_input', `The commit has no parent ${order.parentNumber}.`)
    const title = commit.message.split('\n')[0] ?? ''
    const message = order.message || `Revert "${title}"\n\nThis reverts commit ${oid}.`
    return this.#onBranch(repo, branch, actor, async (tip) => {
      // the reverted commit must be the base: two commits on top of it, one with the tip's files, one with the parent's
      const [ours, theirs] = await Promise.all(
        [tip, parent].map((it) => withFilesOf(this.#git, repo, it, oid, signatureOf(undefined))),
      )
      const treeOid = await mergedTree(this.#git, repo, ours as GitOid, theirs as GitOid)
      return { treeOid, parents: [tip], message }
    })
  }

  /** A new commit with the files of an older one; the history stays. */
  async reset(
    repo: Repo,
    branch: string,
    order: { revision: string; message: string | undefined },
    actor: Actor,
  ): Promise<MergeResult> {
    const oid = await this.#revisions.read(repo, order.revision)
    const { treeOid } = await this.#git.readCommit(repo.id, oid)
    const message = order.message || `Reset ${branch} to ${oid.slice(0, 12)}`
    return this.#onBranch(repo, branch, actor, async (tip) => ({
      treeOid,
      parents: [tip],
      message,
    }))
  }

  async #onBranch(
    repo: Repo,
    branch: string,
    actor: Actor,
    plan: (
      tip: GitOid,
    ) => Promise<{ treeOid: GitOid; parents: GitOid[]; message: string } | undefined>,
  ): Promise<MergeResult> {
    const ref = `refs/heads/${branch}`
    let result: MergeResult | undefined
    await this.#committer.changeRefs(repo, [ref], actor, async (snapshot: RefSnapshot) => {
      const tip = snapshot.refs.find((it) => it.name === ref)?.oid
      if (!tip) throw new HubError('revision_not_found', `Invalid rev id: ${branch.slice(0, 200)}`)
      result = { oid: tip, changed: false }
      const planned = await plan(tip)
      const now = await this.#git.readCommit(repo.id, tip)
      if (!planned) return []
      if (planned.treeOid === now.treeOid && planned.parents.length === 1) return []
      const message = planned.message.replace(/\0/g, '')
      const author = signatureOf(actor.caller.user)
      const oid = await this.#git.commitTree(repo.id, { ...planned, message, author })
      result = { oid, changed: true }
      return [{ name: ref, oldOid: tip, newOid: oid }]
    })
    if (!result) throw new HubError('internal', 'a branch was changed without a result')
    return result
  }
}
