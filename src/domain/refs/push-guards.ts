import type { DiscussionStore } from '../discussions/ports.js'
import { pullRequestNumber } from '../discussions/pull-request-ref.js'
import { HubError } from '../errors.js'
import type { GitEngine, Quarantine } from '../ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { RefUpdate, Repo, Right } from '../types.js'
import type { BranchProtection } from './protection.js'
import { type FoundSecret, MAX_SCANNED_BYTES, scanText, secretsError } from './secret-scan.js'

/** A change of refs that is about to become visible, by a push or by an API. */
export interface ProposedUpdates {
  readonly repo: Repo
  readonly right: Right
  /** undefined: the hub itself, or somebody on its own disk. */
  readonly userName: string | undefined
  readonly updates: readonly RefUpdate[]
  readonly quarantine: Quarantine | undefined
}

/** Throws a HubError whose lines tell the caller why the change is refused. */
export type PushGuard = (proposed: ProposedUpdates) => Promise<void>

export function protectionGuard(protection: BranchProtection, git: GitEngine): PushGuard {
  return ({ repo, right, userName, updates, quarantine }) =>
    protection.require(
      repo,
      { right, name: userName },
      updates.map(({ name, oldOid, newOid }) => ({
        ref: name,
        deletes: newOid === null,
        isForced: async () =>
          oldOid !== null &&
          newOid !== null &&
          !(await git.isAncestor(repo.id, oldOid, newOid, quarantine)),
      })),
    )
}

/**
 * Nobody pushes to a pull request that is closed or merged. Who may only read a repository may still push to the open
 * ones that they opened, and to nothing else.
 */
export function pullRequestGuard(discussions: DiscussionStore): PushGuard {
  return async ({ repo, right, userName, updates }) => {
    for (const { name, oldOid, newOid } of updates) {
      const num = pullRequestNumber(name)
      if (num === undefined && right !== 'read') continue
      const pull = num === undefined ? undefined : await discussions.findPull(repo.id, num)
      const open = pull?.status === 'open' || pull?.status === 'draft'
      if (pull && !open && newOid !== null && newOid !== oldOid)
        throw new HubError(
          'forbidden',
          `Pull request ${num} is ${pull.status}: ${pull.status === 'closed' ? 'reopen it to push to' : 'nothing can be pushed to'} ${name}.`,
        )
      if (right !== 'read') continue
      if (newOid === null || !open || userName === undefined || pull.authorName !== userName)
        throw new HubError(
          'forbidden',
          `You may read this repository only: push to the ref of an open pull request of yours, not to ${name}.`,
        )
    }
  }
}

const ENOUGH = 100

/** Scans the text that a push brings, for repositories that ask for it (`secret_scanning`). */
export function secretScanGuard(repos: RepoStore, git: GitEngine): PushGuard {
  return async ({ repo, updates, quarantine }) => {
    const { secret_scanning } = await repos.readExtraSettings(repo.id)
    if (secret_scanning !== true) return
    const tips = updates.flatMap((it) => (it.newOid ? [it.newOid] : []))
    const found: FoundSecret[] = []
    const blobs = git.newBlobs(repo.id, tips, { quarantine, maxBytes: MAX_SCANNED_BYTES })
    for await (const { path, content } of blobs) {
      found.push(...(await scanText(path, content)))
      if (found.length >= ENOUGH) break
    }
    if (found.length > 0) throw secretsError(found)
  }
}
