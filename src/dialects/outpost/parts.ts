import type { Request, Response } from 'express'
import type { Access } from '../../domain/access/access.js'
import type { ActionSigner } from '../../domain/access/signed-actions.js'
import type { Login } from '../../domain/accounts/login.js'
import type { AccountStore } from '../../domain/accounts/ports.js'
import type { EventStore } from '../../domain/events/ports.js'
import type { LfsObjects } from '../../domain/lfs/objects.js'
import type { GitEngine } from '../../domain/ports.js'
import type { BranchProtection } from '../../domain/refs/protection.js'
import type { Revisions } from '../../domain/refs/revisions.js'
import type { IgnoreTemplates, LanguageStore, RepoStore } from '../../domain/repos/ports.js'
import type { RepoRegistry } from '../../domain/repos/registry.js'
import type { Caller, Namespace, Repo, Right } from '../../domain/types.js'

export interface OutpostParts {
  readonly access: Access
  readonly git: GitEngine
  readonly login: Login
  readonly objects: LfsObjects
  readonly protection: BranchProtection
  readonly registry: RepoRegistry
  readonly revisions: Revisions
  readonly signer: ActionSigner
  readonly templates: IgnoreTemplates
  readonly stores: {
    readonly accounts: AccountStore
    readonly events: EventStore
    readonly languages: LanguageStore
    readonly repos: RepoStore
  }
  readonly baseUrl: (req: Request) => string
}

/** A request of somebody who is logged in, in a namespace that exists. */
export interface NamespaceRequest {
  readonly req: Request
  readonly res: Response
  readonly parts: OutpostParts
  readonly caller: Caller
  readonly namespace: Namespace
}

export interface RepoRequest extends NamespaceRequest {
  readonly repo: Repo
  readonly right: Right
  /** What follows the repository in the path, percent-decoded. */
  readonly rest: string
}
