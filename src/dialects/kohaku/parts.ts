import type { Request, Response } from 'express'
import type { Access, OpenedRepo } from '../../domain/access/access.js'
import type { Avatars } from '../../domain/accounts/avatars.js'
import type { Invitations } from '../../domain/accounts/invitations.js'
import type { Login } from '../../domain/accounts/login.js'
import type { Organizations } from '../../domain/accounts/organizations.js'
import type { AccountStore } from '../../domain/accounts/ports.js'
import type { Registry } from '../../domain/accounts/registry.js'
import type { Tokens } from '../../domain/accounts/tokens.js'
import type { UserRemoval } from '../../domain/accounts/user-removal.js'
import type { AuditLog } from '../../domain/audit/audit-log.js'
import type { Actor } from '../../domain/events/events.js'
import type { EventStore } from '../../domain/events/ports.js'
import type { JobStore } from '../../domain/jobs/ports.js'
import type { ObjectStore } from '../../domain/ports.js'
import type { QuotaStore } from '../../domain/quotas/ports.js'
import type { Quotas } from '../../domain/quotas/quotas.js'
import type { RefRecorder } from '../../domain/refs/recorder.js'
import type { RepoStore } from '../../domain/repos/ports.js'
import type { RepoRegistry } from '../../domain/repos/registry.js'
import type { Squash } from '../../domain/repos/squash.js'
import type { Spaces } from '../../domain/spaces/spaces.js'
import type { Caller, Right } from '../../domain/types.js'
import { callerOf } from '../../http/caller.js'
import { parseKind } from '../../protocol/repo-path.js'

/** What the dialect asks of the hub. */
export interface KohakuParts {
  readonly access: Access
  readonly accounts: Registry
  readonly audit: AuditLog
  readonly avatars: Avatars
  readonly invitations: Invitations
  readonly login: Login
  readonly organizations: Organizations
  readonly quotas: Quotas
  readonly recorder: RefRecorder
  readonly registry: RepoRegistry
  readonly squash: Squash
  readonly spaces: Spaces
  readonly store: ObjectStore
  readonly stores: {
    readonly accounts: AccountStore
    readonly events: EventStore
    readonly jobs: JobStore
    readonly quotas: QuotaStore
    readonly repos: RepoStore
    check(): Promise<void>
  }
  readonly tokens: Tokens
  readonly userRemoval: UserRemoval
  readonly version: string
  readonly baseUrl: (req: Request) => string
}

export interface KohakuRequest {
  readonly req: Request
  readonly res: Response
  readonly parts: KohakuParts
  readonly caller: Caller
}

/** One row of a route table. A path with `:type` is this dialect's only for models, datasets and spaces. */
export interface KohakuRoute {
  readonly method: 'get' | 'post' | 'put' | 'patch' | 'delete'
  readonly path: string
  readonly handle: (it: KohakuRequest) => Promise<void>
}

export const MAX_JSON = 1024 * 1024

/** As events remember it: clients of this dialect are Hugging Face clients and KohakuHub's own. */
export function actorOf(caller: Caller): Actor {
  return { caller, dialect: 'huggingface' }
}

export function param({ req }: Pick<KohakuRequest, 'req'>, name: string): string {
  const value = req.params[name]
  return typeof value === 'string' ? value : ''
}

/**
 * The repository that the path's type, namespace and name mean. Undefined after a redirect was sent, because it lives
 * at another address by now.
 */
export async function openRepo(
  { req, res, parts, caller }: KohakuRequest,
  right: Right,
): Promise<OpenedRepo | undefined> {
  const kind = parseKind(param({ req }, 'type')) ?? 'model'
  const [namespace, name] = [param({ req }, 'namespace'), param({ req }, 'name')]
  const opened = await parts.access.open(caller, { kind, namespace, name }, right)
  if (!opened.redirected) return opened
  const was = `/${namespace}/${name}`
  const at = req.originalUrl.indexOf(was)
  const now = `/${opened.repo.namespace}/${opened.repo.name}`
  res.redirect(
    307,
    `${req.originalUrl.slice(0, at)}${now}${req.originalUrl.slice(at + was.length)}`,
  )
  return undefined
}

export { callerOf }
