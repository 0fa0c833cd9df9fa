import type { Readable } from 'node:stream'
import { HubError } from '../errors.js'
import { type Actor, HUB_ACTOR } from '../events/events.js'
import type { LfsStore } from '../lfs/ports.js'
import type { GitEngine, HookAnswer, HookCall } from '../ports.js'
import type { RepoStore } from '../repos/ports.js'
import type { LfsOid, RefUpdate, Repo, RepoId, Right } from '../types.js'
import type { PushPolicy } from './push-policy.js'
import type { RefRecorder } from './recorder.js'

/** What a push's two hooks leave for its end. */
interface PushTrace {
  /** LFS objects that it names. */
  readonly named: LfsOid[]
  /** Each gives back the room that was kept for it. */
  readonly reserved: (() => Promise<void>)[]
}

/** Hears of every push that the policy turned away. */
export type RefusedPush = (
  repo: Repo,
  actor: Actor,
  updates: readonly RefUpdate[],
  lines: readonly string[],
) => void

const LOCAL_ACTOR: Actor = { ...HUB_ACTOR, dialect: 'disk' }

/** Whose turn it is among those who push. */
function clientOf({ caller: { user, address } }: Actor): string {
  return user ? `user ${user.id}` : `address ${address}`
}

/** Takes pushes in: git does the work, the policy decides in pre-receive, the recorder follows in post-receive. */
export class Pushes {
  readonly #git: GitEngine
  readonly #policy: PushPolicy
  readonly #recorder: RefRecorder
  readonly #repos: RepoStore
  readonly #lfs: LfsStore
  readonly #maxPushBytes: number | undefined
  #onRefused: RefusedPush = () => undefined

  constructor(parts: {
    git: GitEngine
    policy: PushPolicy
    recorder: RefRecorder
    repos: RepoStore
    lfs: LfsStore
    maxPushBytes: number | undefined
  }) {
    this.#git = parts.git
    this.#policy = parts.policy
    this.#recorder = parts.recorder
    this.#repos = parts.repos
    this.#lfs = parts.lfs
    this.#maxPushBytes = parts.maxPushBytes
  }

  onRefused(hear: RefusedPush): void {
    this.#onRefused = hear
  }

  async receive(
    repo: Repo,
    right: Right,
    actor: Actor,
    io: {
      protocol: string | undefined
      input: Readable
      output: NodeJS.WritableStream
      signal: AbortSignal
      onHookError: (err: unknown) => void
    },
  ): Promise<void> {
    const trace: PushTrace = { named: [], reserved: [] }
    try {
      await this.#git.runService(repo.id, {
        service: 'receive-pack',
        maxInputBytes: this.#maxPushBytes,
        client: clientOf(actor),
        onHook: (call) => this.answerHook(repo, right, actor, call, trace),
        ...io,
      })
      // a hook that could not reach us (its process was killed) leaves nothing behind that this does not see
      await this.#recorder.sync((await this.#repos.findById(repo.id)) ?? repo, actor)
    } finally {
      for (const settle of trace.reserved) await settle()
    }
  }

  /**
   * A push made on the server's own disk: who can write there may do anything that the repository's state permits.
   * Nothing tells how it ends, so room is only asked for, not kept, and its leases end by time.
   */
  async answerLocalHook(id: RepoId, call: HookCall): Promise<HookAnswer> {
    const repo = await this.#repos.findById(id)
    if (repo?.state !== 'ready')
      return { accept: false, lines: ['packhorse: this repository does not exist any more'] }
    const trace: PushTrace = { named: [], reserved: [] }
    try {
      return await this.answerHook(repo, 'admin', LOCAL_ACTOR, call, trace)
    } finally {
      for (const settle of trace.reserved) await settle()
    }
  }

  async answerHook(
    repo: Repo,
    right: Right,
    actor: Actor,
    call: HookCall,
    trace: PushTrace,
  ): Promise<HookAnswer> {
    if (call.hook === 'pre-receive') {
      const answer = await this.#policy.preReceive(
        repo,
        right,
        actor,
        call,
        (pointer) => trace.named.push(pointer.oid),
        (settle) => trace.reserved.push(settle),
      )
      if (!answer.accept) this.#onRefused(repo, actor, call.updates, answer.lines)
      return answer
    }
    try {
      await this.adoptDefaultBranch(repo, call.updates)
      await this.#recorder.recordRefUpdates(repo.id, actor)
      // from here on the commits keep these objects, not the lease that waited for them
      await this.#lfs.release(repo.id, trace.named)
      return { accept: true, lines: [] }
    } catch (err) {
      if (err instanceof HubError)
        return { accept: true, lines: ['The push is stored; its metadata follows shortly.'] }
      throw err
    }
  }

  /** The first branch pushed into an empty repository becomes its default when the planned one is not among them. */
  async adoptDefaultBranch(repo: Repo, updates: readonly RefUpdate[]): Promise<void> {
    if (repo.headOid !== null) return
    const { headOid, refs } = await this.#git.snapshot(repo.id)
    if (headOid !== null) return
    const pushed = updates.filter((it) => it.newOid && it.name.startsWith('refs/heads/'))
    const names = pushed.map((it) => it.name.slice('refs/heads/'.length))
    const branch = ['main', 'master'].find((it) => names.includes(it)) ?? names[0]
    if (branch && refs.some((it) => it.name === `refs/heads/${branch}`))
      await this.#git.setHead(repo.id, branch)
  }
}
