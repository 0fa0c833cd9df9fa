import { HubError } from '../errors.js'
import { type Actor, makeEvent } from '../events/events.js'
import type { EventStore } from '../events/ports.js'
import type { JobStore } from '../jobs/ports.js'
import type { GitEngine, RefSnapshot } from '../ports.js'
import { checkShortRefName } from '../refs/ref-names.js'
import { type Revisions, refOfRevision } from '../refs/revisions.js'
import type { GitOid, RefUpdate, Repo } from '../types.js'
import { type Committer, signatureOf } from './committer.js'

const PRUNE_AFTER_MS = 60 * 60 * 1000

/** Branches and tags made, moved and deleted through an API. */
export class RefEdits {
  readonly #git: GitEngine
  readonly #committer: Committer
  readonly #revisions: Revisions
  readonly #events: EventStore
  readonly #jobs: JobStore

  constructor(parts: {
    git: GitEngine
    committer: Committer
    revisions: Revisions
    events: EventStore
    jobs: JobStore
  }) {
    this.#git = parts.git
    this.#committer = parts.committer
    this.#revisions = parts.revisions
    this.#events = parts.events
    this.#jobs = parts.jobs
  }

  /** `from` undefined: the default branch. `empty`: one commit without files. Throws `conflict` when the branch exists. */
  async createBranch(
    repo: Repo,
    name: string,
    options: { from: string | undefined; empty: boolean; overwrite: boolean },
    actor: Actor,
  ): Promise<void> {
    checkName(name)
    const ref = `refs/heads/${name}`
    const target = options.empty
      ? undefined
      : await this.#revisions.read(repo, options.from ?? 'HEAD')
    await this.#committer.changeRefs(repo, [ref], actor, async (snapshot) => {
      const oldOid = snapshot.refs.find((it) => it.name === ref)?.oid ?? null
      if (oldOid && !options.overwrite) throw exists(ref)
      if (!oldOid) requireRoom(snapshot, ref)
      const newOid = target ?? (await this.#emptyCommit(repo, actor))
      return change(ref, oldOid, newOid)
    })
  }

  /** Throws `revision_not_found`; `forbidden` for the default branch. */
  async deleteBranch(repo: Repo, name: string, actor: Actor): Promise<void> {
    const ref = `refs/heads/${name}`
    await this.#delete(repo, ref, name, actor)
  }

  async deleteTag(repo: Repo, name: string, actor: Actor): Promise<void> {
    await this.#delete(repo, `refs/tags/${name}`, name, actor)
  }

  /** With a message an annotated tag. Throws `conflict` when it exists. */
  async createTag(
    repo: Repo,
    name: string,
    options: { at: string; message: string | undefined },
    actor: Actor,
  ): Promise<void> {
    checkName(name)
    const ref = `refs/tags/${name}`
    const target = await this.#revisions.read(repo, options.at)
    const message = options.message?.replace(/\0/g, '').trim()
    await this.#committer.changeRefs(repo, [ref], actor, async (snapshot) => {
      if (snapshot.refs.some((it) => it.name === ref)) throw exists(ref)
      requireRoom(snapshot, ref)
      const tagger = signatureOf(actor.caller.user)
      const newOid = message
        ? await this.#git.createTag(repo.id, { name, target, message, tagger })
        : target
      return change(ref, null, newOid)
    })
  }

  /**
   * Replaces a branch, pull request or conversion by one commit with the same files and no parent. Other refs keep what
   * they name. Throws `revision_not_found`.
   */
  async squash(repo: Repo, revision: string, message: string, actor: Actor): Promise<GitOid> {
    let made = ''
    await this.#committer.changeRefs(repo, [`squash ${revision}`], actor, async (snapshot) => {
      const ref = refOfRevision(snapshot, revision)
      const oldOid = snapshot.refs.find((it) => it.name === ref)?.oid
      if (!ref || !oldOid || !/^refs\/(heads|pr|convert)\//.test(ref)) throw unknown(revision)
      const { treeOid } = await this.#git.readCommit(repo.id, oldOid)
      made = await this.#git.commitTree(repo.id, {
        treeOid,
        parents: [],
        message: message.replace(/\0/g, ''),
        author: signatureOf(actor.caller.user),
      })
      return change(ref, oldOid, made)
    })
    // squashing again and again must not prune each time
    await this.#jobs.enqueue({ kind: 'repo.prune', key: repo.id, delayMs: PRUNE_AFTER_MS })
    await this.#events.add(makeEvent('repo.squash', actor, repo, { revision }))
    return made
  }

  async #delete(repo: Repo, ref: string, shown: string, actor: Actor): Promise<void> {
    await this.#committer.changeRefs(repo, [ref], actor, async (snapshot) => {
      const oldOid = snapshot.refs.find((it) => it.name === ref)?.oid
      if (ref === `refs/heads/${snapshot.defaultBranch}`)
        throw new HubError('forbidden', `Cannot delete ${ref}: it is the default branch.`)
      if (!oldOid) throw unknown(shown)
      return change(ref, oldOid, null)
    })
  }

  #emptyCommit(repo: Repo, actor: Actor): Promise<GitOid> {
    return this.#git.writeCommit(
      repo.id,
      {
        parent: null,
        message: 'initial commit',
        author: signatureOf(actor.caller.user),
        steps: [],
      },
      new AbortController().signal,
    )
  }
}

function change(name: string, oldOid: GitOid | null, newOid: GitOid | null): RefUpdate[] {
  return oldOid === newOid ? [] : [{ name, oldOid, newOid }]
}

function checkName(name: string): void {
  checkShortRefName(name)
  if (name.startsWith('refs/'))
    throw new HubError('invalid_input', `Invalid reference name: ${name.slice(0, 200)}`)
}

/** Names are files and folders to git: `a` and `a/b` cannot both be refs. */
function requireRoom(snapshot: RefSnapshot, ref: string): void {
  const other = snapshot.refs.find(
    (it) => it.name.startsWith(`${ref}/`) || ref.startsWith(`${it.name}/`),
  )
  if (other) throw exists(other.name)
}

function exists(ref: string): HubError {
  return new HubError('conflict', `Reference ${ref} already exists`)
}

function unknown(revision: string): HubError {
  return new HubError('revision_not_found', `Invalid rev id: ${revision.slice(0, 200)}`)
}
