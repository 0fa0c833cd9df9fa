import { isoNow } from '../../lib/ids.js'
import { HubError } from '../errors.js'
import type { Actor } from '../events/events.js'
import type { LfsStore } from '../lfs/ports.js'
import type { GitEngine, HookAnswer, HookCall, Quarantine } from '../ports.js'
import type { Quotas } from '../quotas/quotas.js'
import { lockedError } from '../repos/holds.js'
import type { HoldStore } from '../repos/ports.js'
import type { LfsOid, LfsPointer, RefUpdate, Repo, Right } from '../types.js'
import type { PushGuard } from './push-guards.js'
import { isRefName } from './ref-names.js'

export interface PushRules {
  readonly forcePush: 'allow' | 'admins' | 'refuse'
  readonly defaultBranchDelete: 'refuse' | 'admins'
  readonly allowMissingLfs: boolean
}

const LISTED_POINTERS = 20
const PUSH_LEASE_MS = 60 * 60 * 1000

/** Decides, inside git's quarantine, whether a push may become visible. Every refusal says what to do. */
export class PushPolicy {
  readonly #git: GitEngine
  readonly #lfs: LfsStore
  readonly #holds: HoldStore
  readonly #quotas: Quotas
  readonly #rules: PushRules
  #settle: (repo: Repo, oids: readonly LfsOid[]) => Promise<void> = async () => undefined
  readonly #guards: readonly PushGuard[]

  constructor(parts: {
    git: GitEngine
    lfs: LfsStore
    holds: HoldStore
    quotas: Quotas
    rules: PushRules
    guards: readonly PushGuard[]
  }) {
    this.#git = parts.git
    this.#lfs = parts.lfs
    this.#holds = parts.holds
    this.#quotas = parts.quotas
    this.#rules = parts.rules
    this.#guards = parts.guards
  }

  /** `onPointer` hears of every LFS object that the push names, `onReserved` gets what gives its reserved room back. */
  async preReceive(
    repo: Repo,
    right: Right,
    actor: Actor,
    call: HookCall,
    onPointer: (pointer: LfsPointer) => void = () => undefined,
    onReserved: (settle: () => Promise<void>) => void = () => undefined,
  ): Promise<HookAnswer> {
    try {
      await this.requireWritable(repo)
      for (const update of call.updates) await this.#checkUpdate(repo, right, update, call)
      await this.requireAllowed(repo, right, actor, call.updates, call.quarantine)
      await this.claimPointers(repo, call.updates, onPointer, call.quarantine)
      if (call.quarantine) {
        const bytes = await this.#git.quarantineBytes(call.quarantine)
        onReserved(await this.#quotas.reserveBytes(repo, bytes))
      }
      // again: the checks may take long, and whoever locks waits only for what moves refs right now
      await this.requireWritable(repo)
      return { accept: true, lines: [] }
    } catch (err) {
      if (err instanceof HubError && err.code !== 'git_failed')
        return { accept: false, lines: err.message.split('\n') }
      throw err
    }
  }

  /** Throws `repo_locked` while somebody holds the repository (squash, mirror). */
  async requireWritable(repo: Repo): Promise<void> {
    const [hold] = await this.#holds.find(repo.id)
    if (hold) throw lockedError(hold)
  }

  /** Asks the guards (protected branches, secret scanning); also for refs that an API is about to move. */
  async requireAllowed(
    repo: Repo,
    right: Right,
    actor: Actor,
    updates: readonly RefUpdate[],
    quarantine?: Quarantine,
  ): Promise<void> {
    const userName = actor.caller.user?.name
    for (const guard of this.#guards) await guard({ repo, right, userName, updates, quarantine })
  }

  async #checkUpdate(repo: Repo, right: Right, update: RefUpdate, call: HookCall): Promise<void> {
    const { name, oldOid, newOid } = update
    if (!name.startsWith('refs/') || !isRefName(name) || name.startsWith('refs/packhorse/'))
      throw new HubError(
        'invalid_input',
        `The ref name ${JSON.stringify(name.slice(0, 200))} is not allowed here.`,
      )
    if (newOid === null && name === `refs/heads/${repo.defaultBranch}`) {
      if (this.#rules.defaultBranchDelete === 'refuse' || right !== 'admin')
        throw new HubError(
          'forbidden',
          `Cannot delete ${name}: it is the default branch. Make another branch the default first.`,
        )
    }
    if (!oldOid || !newOid || !name.startsWith('refs/heads/')) return
    const { forcePush } = this.#rules
    if (forcePush === 'allow' || (forcePush === 'admins' && right === 'admin')) return
    if (!(await this.#git.isAncestor(repo.id, oldOid, newOid, call.quarantine)))
      throw new HubError(
        'forbidden',
        `A force push to ${name} needs ${forcePush === 'refuse' ? 'a change of the server’s settings' : 'admin rights on this repository'}. Merge or rebase onto the branch and push again.`,
      )
  }

  /**
   * Leases the LFS objects that these updates make reachable, however they come about, and throws `object_not_found`
   * when the repository does not have some of them. `onPointer` hears of each one that is named.
   */
  async claimPointers(
    repo: Repo,
    updates: readonly RefUpdate[],
    onPointer: (pointer: LfsPointer) => void,
    quarantine?: Quarantine,
  ): Promise<void> {
    const tips = updates.flatMap((it) => (it.newOid ? [it.newOid] : []))
    const missing: LfsPointer[] = []
    let page: LfsPointer[] = []
    const flush = async () => {
      missing.push(...(await this.missingPointers(repo, page)))
      page = []
    }
    for await (const pointer of this.#git.newPointers(repo.id, tips, { quarantine })) {
      page.push(pointer)
      onPointer(pointer)
      if (page.length >= 5_000) await flush()
    }
    if (page.length) await flush()
    this.#refuse(missing)
  }

  /** As `claimPointers`, where it is known what is named. */
  async claimNamed(repo: Repo, pointers: readonly LfsPointer[]): Promise<void> {
    if (pointers.length) this.#refuse(await this.missingPointers(repo, pointers))
  }

  #refuse(missing: readonly LfsPointer[]): void {
    if (missing.length && !this.#rules.allowMissingLfs) throw missingPointersError(missing)
  }

  /** Once the refs are recorded the commits keep these objects, not the lease that waited for them. */
  async releasePointers(repo: Repo, oids: readonly LfsOid[]): Promise<void> {
    if (oids.length) await this.#lfs.release(repo.id, oids)
  }

  /**
   * Of these, the ones whose object this repository cannot serve. The size in the pointer must be the object's. The others
   * are leased: the collector must not take what is about to be named by a commit.
   */
  async missingPointers(repo: Repo, pointers: readonly LfsPointer[]): Promise<LfsPointer[]> {
    if (pointers.length === 0) return []
    const absent = await this.#withoutObject(repo, pointers)
    if (absent.length)
      await this.#settle(
        repo,
        absent.map((it) => it.oid),
      )
    const missing = absent.length ? await this.#withoutObject(repo, absent) : []
    const gone = new Set(missing.map((it) => it.oid))
    const there = pointers.filter((it) => !gone.has(it.oid))
    await this.#lfs.lease(repo.id, there, isoNow(PUSH_LEASE_MS))
    // asked again under the lease: the collector may have been between the two
    return [...missing, ...(await this.#withoutObject(repo, there))]
  }

  /** Asked before objects count as missing: their bytes may be in the store already, and nobody has looked at them. */
  onMissing(settle: (repo: Repo, oids: readonly LfsOid[]) => Promise<void>): void {
    this.#settle = settle
  }

  async #withoutObject(repo: Repo, pointers: readonly LfsPointer[]): Promise<LfsPointer[]> {
    const linked = await this.#lfs.findLinked(
      repo.id,
      pointers.map((it) => it.oid),
    )
    return pointers.filter((it) => linked.get(it.oid)?.size !== it.size)
  }
}

function missingPointersError(missing: readonly LfsPointer[]): HubError {
  const listed = missing.slice(0, LISTED_POINTERS).map((it) => `  ${it.oid} (${it.size} bytes)`)
  const more = missing.length - listed.length
  return new HubError(
    'object_not_found',
    [
      'Your push was rejected because an LFS pointer pointed to a file that does not exist on this server:',
      ...listed,
      ...(more > 0 ? [`  … and ${more} more`] : []),
      'Upload the missing objects with "git lfs push --all <remote>" and push again.',
    ].join('\n'),
    { missing: missing.length },
  )
}
