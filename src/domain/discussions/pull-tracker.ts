import { discussionOpened } from '../events/discussion-events.js'
import type { Actor } from '../events/events.js'
import type { CommitInfo, GitEngine, RefSnapshot } from '../ports.js'
import type { Discussion, GitOid, RefUpdate, Repo } from '../types.js'
import { updateEvents } from './change-events.js'
import type { DiscussionChangeSet, DiscussionStore, NewEntry, PlannedMerge } from './ports.js'
import { pullRequestNumber } from './pull-request-ref.js'

/** The newest of a longer push stand in the discussion. */
const MAX_COMMITS = 250

/**
 * What moved refs mean for pull requests: opened once their ref is there, new commits, merged, closed because the ref is
 * gone. Part of what is recorded with the refs, so a crash in between loses none of it.
 */
export class PullTracker {
  readonly #store: DiscussionStore
  readonly #git: GitEngine

  constructor(parts: { discussions: DiscussionStore; git: GitEngine }) {
    this.#store = parts.discussions
    this.#git = parts.git
  }

  async derive(
    repo: Repo,
    snapshot: RefSnapshot,
    updates: readonly RefUpdate[],
    actor: Actor,
  ): Promise<DiscussionChangeSet[]> {
    const changes: DiscussionChangeSet[] = []
    for (const { name, newOid } of updates) {
      const num = pullRequestNumber(name)
      const pull = num === undefined ? undefined : await this.#store.findPull(repo.id, num)
      if (!pull || pull.headOid === newOid) continue
      changes.push(
        newOid
          ? await this.#moved(repo, snapshot, pull, newOid, actor)
          : this.#vanished(repo, pull, actor),
      )
    }
    return [...changes, ...(await this.#merged(repo, updates, actor))]
  }

  async #moved(
    repo: Repo,
    snapshot: RefSnapshot,
    pull: Discussion & { opened: boolean },
    head: GitOid,
    actor: Actor,
  ): Promise<DiscussionChangeSet> {
    const base = snapshot.refs.find((it) => it.name === pull.baseRef)?.oid
    const commits = await this.#newCommits(repo, head, [pull.headOid, base])
    const authorId = actor.caller.user?.id ?? (pull.opened ? null : pull.authorId)
    const entries = commits.reverse().map<NewEntry>(({ oid, message }) => {
      const subject = (message.split('\n')[0] ?? '').slice(0, 500)
      return { type: 'commit', authorId, data: { subject, oid } }
    })
    const set = { headOid: head }
    if (pull.opened) return { num: pull.num, set, entries, events: () => [] }
    const [first] = await this.#store.listEntries(repo.id, pull.num, 0, 1)
    const said = first?.type === 'comment' ? first.comment : undefined
    return {
      num: pull.num,
      set: { ...set, opened: true },
      entries,
      events: (now) => [discussionOpened(actor, repo, now, said)],
    }
  }

  #vanished(repo: Repo, pull: Discussion, actor: Actor): DiscussionChangeSet {
    const set = { headOid: null }
    if (pull.status === 'closed' || pull.status === 'merged')
      return { num: pull.num, set, entries: [], events: () => [] }
    const authorId = actor.caller.user?.id ?? null
    return {
      num: pull.num,
      set: { ...set, status: 'closed' },
      entries: [{ type: 'status-change', authorId, data: { status: 'closed' } }],
      events: updateEvents(repo, actor, 'status'),
    }
  }

  async #merged(
    repo: Repo,
    updates: readonly RefUpdate[],
    actor: Actor,
  ): Promise<DiscussionChangeSet[]> {
    const moved = new Map(
      updates.flatMap(({ name, newOid }) =>
        newOid && name.startsWith('refs/heads/') ? [[name, newOid] as const] : [],
      ),
    )
    if (moved.size === 0) return []
    const merged = new Map<number, DiscussionChangeSet>()
    for (const plan of await this.#store.listPlannedMerges(repo.id)) {
      const tip = moved.get(plan.baseRef)
      if (!tip || merged.has(plan.num) || !(await this.#reaches(repo, tip, plan.oid))) continue
      merged.set(plan.num, mergedChange(repo, plan, actor))
    }
    return [...merged.values()]
  }

  async #reaches(repo: Repo, tip: GitOid, oid: GitOid): Promise<boolean> {
    return tip === oid || this.#git.isAncestor(repo.id, oid, tip)
  }

  /** Newest first. What is told apart from may have been pruned. */
  async #newCommits(
    repo: Repo,
    head: GitOid,
    known: readonly (GitOid | null | undefined)[],
  ): Promise<CommitInfo[]> {
    const not: GitOid[] = []
    for (const oid of known) if (oid && (await this.#git.resolveCommit(repo.id, oid))) not.push(oid)
    // writers may put a tag or a tree there
    const commit = await this.#git.resolveCommit(repo.id, head)
    if (!commit) return []
    return this.#git.log(repo.id, commit, { skip: 0, limit: MAX_COMMITS, not })
  }
}

/** A merge whose commit the base has. */
export function mergedChange(
  repo: Repo,
  plan: Omit<PlannedMerge, 'repoId' | 'baseRef'>,
  actor: Actor,
): DiscussionChangeSet {
  const authorId = plan.userId
  const said: NewEntry[] = plan.comment
    ? [{ type: 'comment', authorId, content: plan.comment }]
    : []
  return {
    num: plan.num,
    set: { status: 'merged', mergeOid: plan.oid, mergeBaseOid: plan.mergeBaseOid },
    entries: [...said, { type: 'status-change', authorId, data: { status: 'merged' } }],
    events: updateEvents(repo, actor, 'merge'),
  }
}
