import type { GitEngine, Quarantine, RepoStore } from '../ports.js'
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
