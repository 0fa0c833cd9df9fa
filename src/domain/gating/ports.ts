import type { RepoId, User } from '../types.js'

export type AccessStatus = 'pending' | 'accepted' | 'rejected'

/** What somebody filled in, by the field's name. */
export type GateAnswers = Readonly<Record<string, string | boolean>>

/** One user's standing with one gated repository. It outlives the gate being switched off, and dies with the repository. */
export interface AccessRequest {
  readonly user: User
  readonly status: AccessStatus
  /** null = the user never asked, access was granted: then nothing but the name is shared. */
  readonly askedAt: string | null
  /** null = nobody decided: the request waits, or the automatic gate let it in. */
  readonly decidedAt: string | null
  readonly decidedBy: string | null
  readonly reason: string | null
  readonly answers: GateAnswers
}

export interface AccessRequestStore {
  hasGrant(repoId: RepoId, userId: number): Promise<boolean>
  find(repoId: RepoId, userId: number): Promise<AccessRequest | undefined>
  /** In the order in which they came, after the user with this id. */
  list(
    repoId: RepoId,
    status: AccessStatus,
    page: { afterUserId: number; limit: number },
  ): Promise<AccessRequest[]>
  /**
   * A request with the status that the gate gives it. What was decided on stays decided; a request that still waits takes
   * the new answers. Answers what stands afterwards.
   */
  ask(request: {
    repoId: RepoId
    userId: number
    status: 'pending' | 'accepted'
    answers: GateAnswers
  }): Promise<AccessRequest>
  /** False when there is no request, or it has this status already; `create` makes one where there is none. */
  decide(decision: {
    repoId: RepoId
    userId: number
    status: AccessStatus
    decidedBy: number | null
    reason: string | null
    create: boolean
  }): Promise<boolean>
}
