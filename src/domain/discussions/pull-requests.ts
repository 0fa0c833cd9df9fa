import { requireUser } from '../access/access.js'
import type { Committer } from '../commits/committer.js'
import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { GitEngine } from '../ports.js'
import { refOfRevision } from '../refs/revisions.js'
import type { Discussion, GitOid, Repo, Right } from '../types.js'
import type { DiscussionStore } from './ports.js'
import { pullRequestNumber } from './pull-request-ref.js'
import { checkComment } from './texts.js'

export interface PullRequestOrder {
  readonly title: string
  readonly description: string
  readonly status: 'draft' | 'open'
  /** Branch as the caller named it; undefined = the default branch. */
  readonly base?: string | undefined
}

/** The records behind refs/pr/N: who opened them, onto which branch, and who may push to them. */
export class PullRequests {
  readonly #discussions: DiscussionStore
  readonly #git: GitEngine
  readonly #committer: Committer

  constructor(parts: { discussions: DiscussionStore; git: GitEngine; committer: Committer }) {
    this.#discussions = parts.discussions
    this.#git = parts.git
    this.#committer = parts.committer
  }

  /**
   * A record and what `fill` puts on its ref, given the tip of the base (null in an empty repository). Nobody sees it
   * before its ref is there; when that fails the record goes again. Throws `revision_not_found` when the base is no branch.
   */
  async open(
    repo: Repo,
    order: PullRequestOrder,
    actor: Actor,
    fill: (pull: Discussion, base: GitOid | null) => Promise<void>,
  ): Promise<Discussion> {
    const author = requireUser(actor.caller)
    const { ref, oid } = await this.#base(repo, order.base)
    const pull = await this.#discussions.reserve({
      repoId: repo.id,
      title: order.title,
      description: checkComment(order.description, { mayBeEmpty: true }),
      isPullRequest: true,
      status: order.status,
      authorId: author.id,
      baseRef: ref,
    })
    try {
      await fill(pull, oid)
    } catch (err) {
      await this.#dropUnlessMade(repo, pull)
      throw err
    }
    const opened = await this.#discussions.find(repo.id, pull.num)
    if (!opened) throw new HubError('internal', 'a pull request was not opened')
    return opened
  }

  /** Once its ref is there the next record of the refs opens it, whatever failed since. */
  async #dropUnlessMade(repo: Repo, pull: Discussion): Promise<void> {
    const { refs } = await this.#git.snapshot(repo.id)
    if (!refs.some((it) => it.name === pull.headRef))
      await this.#discussions.remove(repo.id, pull.num)
  }

  /** A pull request without a commit of its own yet: its ref stands where the base does. */
  async openEmpty(repo: Repo, order: PullRequestOrder, actor: Actor): Promise<Discussion> {
    return this.open(repo, order, actor, async (pull, base) => {
      const name = pull.headRef
      if (!name) throw new HubError('internal', 'a pull request without a ref')
      if (!base)
        throw new HubError('conflict', 'The repository has no commit yet: there is no base.')
      await this.#committer.changeRefs(repo, [name], actor, async ({ refs }) => {
        if (refs.some((it) => it.name === name))
          throw new HubError('conflict', `Reference ${name} already exists`)
        return [{ name, oldOid: null, newOid: base }]
      })
    })
  }

  /**
   * The open pull request behind a ref, for a caller who wants to push to it: its author, or who may write to the
   * repository. Throws `revision_not_found`, `conflict` (closed), `forbidden`.
   */
  async requirePush(
    repo: Repo,
    right: Right,
    userId: number | undefined,
    ref: string,
  ): Promise<Discussion> {
    const num = pullRequestNumber(ref)
    const pull = num === undefined ? undefined : await this.#discussions.find(repo.id, num)
    if (!pull?.isPullRequest) throw new HubError('revision_not_found', `Invalid rev id: ${ref}`)
    if (pull.status === 'closed' || pull.status === 'merged')
      throw new HubError('conflict', `Pull request ${num} is ${pull.status}.`)
    if (right === 'read' && (userId === undefined || pull.authorId !== userId))
      throw new HubError(
        'forbidden',
        `Only the author of pull request ${num} and those who may write to the repository can push to it.`,
      )
    return pull
  }

  /** Whether this is the ref of an open pull request of this user. */
  async mayPush(repo: Repo, userId: number, ref: string): Promise<boolean> {
    const num = pullRequestNumber(ref)
    const pull = num === undefined ? undefined : await this.#discussions.find(repo.id, num)
    const isOpen = pull?.status === 'open' || pull?.status === 'draft'
    return isOpen && pull.isPullRequest && pull.authorId === userId
  }

  /** Whether this user has an open pull request here, and so something to push to. */
  async hasOpen(repo: Repo, userName: string): Promise<boolean> {
    const mine = { isPullRequest: true, statuses: ['open', 'draft'], author: userName } as const
    return (await this.#discussions.count(repo.id, mine)) > 0
  }

  /** Tip of the branch that a pull request is to be merged into. */
  async baseTip(repo: Repo, pull: Discussion): Promise<GitOid | null> {
    const { refs } = await this.#git.snapshot(repo.id)
    return refs.find((it) => it.name === pull.baseRef)?.oid ?? null
  }

  async #base(
    repo: Repo,
    revision: string | undefined,
  ): Promise<{ ref: string; oid: GitOid | null }> {
    const snapshot = await this.#git.snapshot(repo.id)
    const head = `refs/heads/${snapshot.defaultBranch}`
    if (revision === undefined || revision === 'HEAD' || revision === snapshot.defaultBranch)
      return { ref: head, oid: snapshot.headOid }
    const ref = refOfRevision(snapshot, revision)
    const oid = snapshot.refs.find((it) => it.name === ref)?.oid
    if (!ref?.startsWith('refs/heads/') || !oid)
      throw new HubError('revision_not_found', `Invalid rev id: ${revision.slice(0, 200)}`)
    return { ref, oid }
  }
}
