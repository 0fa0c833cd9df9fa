import { LRUCache } from 'lru-cache'
import { KeyedLock } from '../../lib/keyed-lock.js'
import { compareRefNames } from '../../protocol/git-v2.js'
import { EMPTY_CARD } from '../cards/card.js'
import type { Cards } from '../cards/cards.js'
import { factsOf } from '../cards/tags.js'
import type { PullTracker } from '../discussions/pull-tracker.js'
import { HubError } from '../errors.js'
import { type Actor, HUB_ACTOR, makeEvent } from '../events/events.js'
import type { GitEngine, RefSnapshot } from '../ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { GitOid, Ref, RefUpdate, Repo, RepoFile, RepoId } from '../types.js'
import type { RefRecord, RefStore } from './ports.js'

const LINEAR_STEPS = 50

/**
 * Keeps the database's picture of a repository equal to git. Every way in which refs change ends here; what git says is
 * the truth, so the same call also repairs what a crash, or a push while the hub was down, left behind.
 */
export class RefRecorder {
  readonly #git: GitEngine
  readonly #refs: RefStore
  readonly #repos: RepoStore
  readonly #cards: Cards
  readonly #pulls: PullTracker
  readonly #turns = new KeyedLock()
  /** The refs behind a digest, so that a push into ten thousand refs need not list them from the database. */
  readonly #recorded = new LRUCache<string, readonly Ref[]>({
    maxSize: 200_000,
    sizeCalculation: (refs) => refs.length + 1,
  })
  readonly #jobs: { kind: string; delayMs: number }[] = []

  constructor(parts: {
    git: GitEngine
    refs: RefStore
    repos: RepoStore
    cards: Cards
    pulls: PullTracker
  }) {
    this.#git = parts.git
    this.#refs = parts.refs
    this.#repos = parts.repos
    this.#cards = parts.cards
    this.#pulls = parts.pulls
  }

  /** Every recorded change leaves a job of this kind, with the repository as its key. */
  leaveJob(kind: string, delayMs = 0): void {
    this.#jobs.push({ kind, delayMs })
  }

  /** Brings the metadata up to what git has now. Cheap when nothing changed. Answers the repository as it then is. */
  async sync(repo: Repo, actor: Actor = HUB_ACTOR): Promise<Repo> {
    const snapshot = await this.#git.snapshot(repo.id)
    if (snapshot.digest === repo.refsDigest) return repo
    return this.recordRefUpdates(repo.id, actor)
  }

  recordRefUpdates(id: RepoId, actor: Actor): Promise<Repo> {
    return this.#record(id, actor, { pushed: true })
  }

  async #record(id: RepoId, actor: Actor, how: { pushed: boolean }): Promise<Repo> {
    return this.#turns.run(id, async () => {
      // another process may record at the same time: the transaction tells, and then we look again
      for (let attempt = 0; attempt < 20; attempt += 1) {
        const repo = await this.#repos.findById(id)
        if (!repo) throw new HubError('repo_not_found', 'Repository not found')
        const snapshot = await this.#git.snapshot(id)
        if (snapshot.digest === repo.refsDigest) return repo
        const record = await this.#derive(repo, snapshot, actor, how)
        if (await this.#refs.record(record)) {
          this.#recorded.set(snapshot.digest, snapshot.refs)
          return (await this.#repos.findById(id)) ?? repo
        }
      }
      throw new HubError('busy', 'the repository changes too fast, try again')
    })
  }

  /** Derives everything anew, whatever the database holds. */
  async rebuild(repo: Repo): Promise<Repo> {
    await this.#refs.forget(repo.id)
    return this.#record(repo.id, HUB_ACTOR, { pushed: false })
  }

  /** After pruning or repacking: what the repository now weighs. */
  async measure(repo: Repo): Promise<void> {
    await this.#refs.setGitBytes(repo.id, await this.#git.sizeBytes(repo.id))
  }

  async #derive(
    repo: Repo,
    snapshot: RefSnapshot,
    actor: Actor,
    how: { pushed: boolean },
  ): Promise<RefRecord> {
    const before = this.#recorded.get(repo.refsDigest) ?? (await this.#refs.list(repo.id))
    const updates = diffRefs(before, snapshot.refs)
    const headChanged = snapshot.headOid !== repo.headOid
    const pushed = how.pushed && updates.length > 0
    return {
      repoId: repo.id,
      fromDigest: repo.refsDigest,
      toDigest: snapshot.digest,
      updates,
      ...(headChanged ? { head: await this.#deriveHead(repo, snapshot.headOid) } : {}),
      defaultBranch: snapshot.defaultBranch,
      gitBytes: await this.#git.sizeBytes(repo.id),
      // the first commit of a new repository is ours, nobody pushed it
      pushedAt: pushed && repo.state !== 'creating' ? new Date().toISOString() : null,
      events: pushed
        ? [makeEvent('repo.refs', actor, repo, { updates: updates.slice(0, 1_000) })]
        : [],
      discussions: await this.#pulls.derive(repo, snapshot, updates, actor),
      jobs: this.#jobs,
    }
  }

  async #deriveHead(repo: Repo, to: GitOid | null): Promise<NonNullable<RefRecord['head']>> {
    if (to === null) {
      const card = { card: EMPTY_CARD, facts: factsOf(repo.kind, EMPTY_CARD) }
      return { oid: null, at: null, commitCount: 0, removed: 'all', upserted: [], card }
    }
    // the old tip may have been pruned since: then everything is read anew
    const from =
      repo.headOid && (await this.#git.resolveCommit(repo.id, repo.headOid)) ? repo.headOid : null
    const removed: string[] = []
    const changed: { path: string; mode: string; oid: GitOid }[] = []
    for await (const { path, after } of this.#git.diffFiles(repo.id, from, to)) {
      if (after) changed.push({ path, ...after })
      else removed.push(path)
    }
    const commit = await this.#git.readCommit(repo.id, to)
    const upserted = await this.#describe(repo.id, changed)
    const card = await this.#cards.derive(repo, { from, to, upserted, removed })
    return {
      oid: to,
      at: commit.committer.at,
      commitCount: await this.#countCommits(repo, from, to),
      removed: from === null ? 'all' : removed,
      upserted,
      card: { card, facts: factsOf(repo.kind, card) },
    }
  }

  async #describe(
    id: RepoId,
    changed: readonly { path: string; mode: string; oid: GitOid }[],
  ): Promise<RepoFile[]> {
    const { sizes, pointers } = await this.#git.inspectBlobs(id, [
      ...new Set(changed.map((it) => it.oid)),
    ])
    return changed.map(({ path, mode, oid }) => {
      const pointer = pointers.get(oid)
      return {
        path,
        mode,
        blobOid: oid,
        size: pointer?.size ?? sizes.get(oid) ?? 0,
        lfsOid: pointer?.oid ?? null,
        pointerSize: pointer?.pointerSize ?? null,
      }
    })
  }

  async #countCommits(repo: Repo, from: GitOid | null, to: GitOid): Promise<number> {
    if (from === null) return this.#git.countCommits(repo.id, to)
    // most pushes add a few commits on a straight line: count them without a process
    let at: GitOid = to
    for (let steps = 0; steps <= LINEAR_STEPS; steps += 1) {
      if (at === from) return repo.commitCount + steps
      const { parents } = await this.#git.readCommit(repo.id, at)
      if (parents.length === 0) return steps + 1
      if (parents.length !== 1) break
      at = parents[0] as GitOid
    }
    return this.#git.countCommits(repo.id, to)
  }
}

/** Both lists in git's order of the name, and so are the updates. */
export function diffRefs(before: readonly Ref[], after: readonly Ref[]): RefUpdate[] {
  const updates: RefUpdate[] = []
  let was = 0
  let is = 0
  while (was < before.length || is < after.length) {
    const old = before[was]
    const now = after[is]
    const order = !old
      ? 1
      : !now
        ? -1
        : old.name === now.name
          ? 0
          : compareRefNames(old.name, now.name)
    if (order <= 0) was += 1
    if (order >= 0) is += 1
    if (order < 0 && old) updates.push({ name: old.name, oldOid: old.oid, newOid: null })
    else if (order > 0 && now) updates.push({ name: now.name, oldOid: null, newOid: now.oid })
    else if (old && now && old.oid !== now.oid)
      updates.push({ name: now.name, oldOid: old.oid, newOid: now.oid })
  }
  return updates
}
