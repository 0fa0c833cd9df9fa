import { type Committer, signatureOf } from '../commits/committer.js'
import { mergedTree, rebased } from '../commits/merge-plans.js'
import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { CommitInfo, GitEngine, RefSnapshot } from '../ports.js'
import type { RefRecorder } from '../refs/recorder.js'
import type { RepoStore } from '../repos/ports.js'
import type { Discussion, GitOid, RefUpdate, Repo } from '../types.js'
import type { Discussions } from './discussions.js'
import { type Participant, requireWriter } from './permissions.js'
import type { DiscussionStore } from './ports.js'
import { mergedChange } from './pull-tracker.js'
import { checkComment } from './texts.js'

export interface PullMergeOrder {
  /** `merge`: a commit with both as parents. `squash`: one with the base alone. `rebase`: the commits anew on the base. */
  readonly method: 'merge' | 'squash' | 'rebase'
  readonly comment?: string | undefined
  /** Of the commit; not for a rebase. */
  readonly message?: string | undefined
}

const MAX_REBASED = 250

interface Tips {
  readonly base: GitOid
  readonly head: GitOid
  readonly mergeBase: GitOid
}

/**
 * Merges pull requests. The merge is written down before the base moves, and the move marks the pull request as merged
 * in the same record as the ref (PullTracker): whatever happens in between, a merged one does not stay open.
 */
export class PullMerges {
  readonly #store: DiscussionStore
  readonly #discussions: Discussions
  readonly #git: GitEngine
  readonly #repos: RepoStore
  readonly #committer: Committer
  readonly #recorder: RefRecorder

  constructor(parts: {
    store: DiscussionStore
    discussions: Discussions
    git: GitEngine
    repos: RepoStore
    committer: Committer
    recorder: RefRecorder
  }) {
    this.#store = parts.store
    this.#discussions = parts.discussions
    this.#git = parts.git
    this.#repos = parts.repos
    this.#committer = parts.committer
    this.#recorder = parts.recorder
  }

  /** Answers the merge commit. Throws `conflict` (state, conflicting paths), `forbidden` (right, protected branch). */
  async merge(repo: Repo, num: number, order: PullMergeOrder, who: Participant): Promise<GitOid> {
    requireWriter(repo, who, 'merge')
    const comment = checkComment(order.comment ?? '', { mayBeEmpty: true }) || null
    const { actor } = who
    const { baseRef } = await this.#readOpen(repo, num)
    let oid: GitOid | undefined
    let contained: Tips | undefined
    await this.#committer.changeRefs(repo, [baseRef], actor, async (snapshot) => {
      const pull = await this.#readOpen(repo, num, snapshot)
      const tips = await this.#tips(repo, pull, snapshot)
      contained = tips.mergeBase === tips.head ? tips : undefined
      if (contained) return []
      oid = await this.#makeCommit(repo, pull, tips, order, actor)
      await this.#store.planMerge({
        repoId: repo.id,
        num,
        oid,
        baseRef: pull.baseRef,
        mergeBaseOid: tips.mergeBase,
        userId: actor.caller.user?.id ?? null,
        comment,
      })
      const head: RefUpdate = { name: pull.headRef, oldOid: tips.head, newOid: tips.head }
      return [{ name: pull.baseRef, oldOid: tips.base, newOid: oid }, head]
    })
    if (contained) return this.#closeContained(repo, num, contained, comment, actor)
    if (!oid) throw new HubError('internal', 'a merge without a commit')
    return oid
  }

  /** Everything of it is in the base already: somebody merged it by git and pushed. */
  async #closeContained(
    repo: Repo,
    num: number,
    { head }: Tips,
    comment: string | null,
    actor: Actor,
  ): Promise<GitOid> {
    if ((await this.#store.countCommits(repo.id, num)) === 0)
      throw new HubError('conflict', `Pull request ${num} has no commits of its own yet.`)
    const userId = actor.caller.user?.id ?? null
    const merge = { num, oid: head, mergeBaseOid: head, userId, comment }
    const done = await this.#store.change(repo.id, {
      ...mergedChange(repo, merge, actor),
      expect: { status: 'open' },
    })
    if (!done) throw new HubError('conflict', `Pull request ${num} is not open any more.`)
    return head
  }

  /** With a snapshot: as of then at least. A merge may have moved the base without being recorded yet. */
  async #readOpen(
    repo: Repo,
    num: number,
    snapshot?: RefSnapshot,
  ): Promise<Discussion & { baseRef: string; headRef: string }> {
    if (snapshot && (await this.#store.listPlannedMerges(repo.id, num)).length > 0) {
      const now = await this.#repos.findById(repo.id)
      if (now && now.refsDigest !== snapshot.digest) await this.#recorder.sync(now)
    }
    const pull = await this.#discussions.read(repo, num)
    const { baseRef, headRef } = pull
    if (!pull.isPullRequest || !baseRef || !headRef)
      throw new HubError('conflict', `Discussion ${num} is no pull request.`)
    if (pull.status === 'draft')
      throw new HubError('conflict', `Pull request ${num} is a draft: open it before merging.`)
    if (pull.status !== 'open')
      throw new HubError('conflict', `Pull request ${num} is ${pull.status} already.`)
    return { ...pull, baseRef, headRef }
  }

  async #tips(
    repo: Repo,
    pull: { num: number; baseRef: string; headRef: string },
    snapshot: RefSnapshot,
  ): Promise<Tips> {
    const tipOf = async (name: string): Promise<GitOid> => {
      const oid = snapshot.refs.find((it) => it.name === name)?.oid
      const commit = oid && (await this.#git.resolveCommit(repo.id, oid))
      if (!oid || commit !== oid)
        throw new HubError('conflict', `Pull request ${pull.num}: there is no commit at ${name}.`)
      return oid
    }
    const [base, head] = [await tipOf(pull.baseRef), await tipOf(pull.headRef)]
    const mergeBase = await this.#git.mergeBase(repo.id, base, head)
    if (!mergeBase)
      throw new HubError('conflict', 'The pull request and its base have no common history.')
    return { base, head, mergeBase }
  }

  async #makeCommit(
    repo: Repo,
    pull: Discussion,
    { base, head }: Tips,
    order: PullMergeOrder,
    actor: Actor,
  ): Promise<GitOid> {
    const author = signatureOf(actor.caller.user)
    if (order.method === 'rebase') {
      const oid = await rebased(this.#git, repo, base, await this.#line(repo, base, head), author)
      if (oid === base)
        throw new HubError('conflict', 'Its commits would change nothing: the base has all of it.')
      return oid
    }
    const treeOid = await mergedTree(this.#git, repo, base, head)
    const squash = order.method === 'squash'
    const title = squash ? `${pull.title} (#${pull.num})` : `Merge pull request #${pull.num}`
    const text = order.message?.replaceAll('\0', '').trim()
    const message = text || (squash ? title : `${title}\n\n${pull.title}`)
    const parents = squash ? [base] : [base, head]
    return this.#git.commitTree(repo.id, { treeOid, parents, message, author })
  }

  /** The commits between, oldest first. Throws `conflict` when they are no straight line, or too many. */
  async #line(repo: Repo, base: GitOid, head: GitOid): Promise<CommitInfo[]> {
    const limit = MAX_REBASED + 1
    const commits = await this.#git.log(repo.id, head, { skip: 0, limit, not: [base] })
    if (commits.length > MAX_REBASED)
      throw new HubError('conflict', `More than ${MAX_REBASED} commits: squash them instead.`)
    if (commits.some((it) => it.parents.length !== 1))
      throw new HubError(
        'conflict',
        'It has merge commits: merge or squash it instead of a rebase.',
      )
    return commits.reverse()
  }
}
