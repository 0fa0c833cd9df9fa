import type { Request, Response } from 'express'
import type { Access, OpenedRepo } from '../../domain/access/access.js'
import type { ActionSigner } from '../../domain/access/signed-actions.js'
import type { Login } from '../../domain/accounts/login.js'
import type { PullRequests } from '../../domain/discussions/pull-requests.js'
import type { LfsLocks } from '../../domain/lfs/locks.js'
import type { LfsObjects } from '../../domain/lfs/objects.js'
import type { RepoStore } from '../../domain/repos/ports.js'
import type { XetTokens } from '../../domain/xet/tokens.js'

export interface LfsParts {
  readonly access: Access
  readonly objects: LfsObjects
  readonly locks: LfsLocks
  readonly pulls: Pick<PullRequests, 'mayPush'>
  readonly xetTokens: XetTokens
  readonly signer: ActionSigner
  readonly repos: RepoStore
  readonly login: Login
  readonly baseUrl: (req: Request) => string
}

export interface LfsRequest {
  readonly req: Request
  readonly res: Response
  readonly opened: OpenedRepo
  readonly parts: LfsParts
  /** Captures of the route's path. */
  readonly params: readonly string[]
  /** An upload for a pull request, by somebody who may only read. */
  readonly proposal?: boolean
}
