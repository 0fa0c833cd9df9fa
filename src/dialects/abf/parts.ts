import type { Request, Response } from 'express'
import type { Access } from '../../domain/access/access.js'
import type { Login } from '../../domain/accounts/login.js'
import type { Organizations } from '../../domain/accounts/organizations.js'
import type { AccountStore } from '../../domain/accounts/ports.js'
import type { Registry } from '../../domain/accounts/registry.js'
import type { Actor } from '../../domain/events/events.js'
import type { PackageServices } from '../../domain/packages/index.js'
import type { GitEngine } from '../../domain/ports.js'
import type { Forks } from '../../domain/repos/forks.js'
import type { RepoStore } from '../../domain/repos/ports.js'
import type { RepoRegistry } from '../../domain/repos/registry.js'
import type { Caller } from '../../domain/types.js'
import type { Siblings } from '../../lib/siblings.js'
import type { Page, Params } from './input.js'
import { linkPages, sendJson } from './send.js'

export interface AbfParts {
  readonly access: Access
  readonly accounts: Registry
  readonly forks: Forks
  readonly git: GitEngine
  readonly login: Login
  readonly organizations: Organizations
  readonly packages: PackageServices
  readonly registry: RepoRegistry
  readonly stores: { readonly accounts: AccountStore; readonly repos: RepoStore }
  readonly baseUrl: (req: Request) => string
  readonly hourlyCalls: number
  readonly siblings?: Siblings | undefined
}

/** A request of somebody who is logged in. */
export class AbfRequest {
  readonly req: Request
  readonly res: Response
  readonly parts: AbfParts
  readonly caller: Caller
  /** Query and body together. */
  readonly params: Params
  /** What the route's `:id` stood for. */
  readonly id: string

  constructor(it: Pick<AbfRequest, 'req' | 'res' | 'parts' | 'caller' | 'params' | 'id'>) {
    this.req = it.req
    this.res = it.res
    this.parts = it.parts
    this.caller = it.caller
    this.params = it.params
    this.id = it.id
  }

  get actor(): Actor {
    return { caller: this.caller, dialect: 'abf' }
  }

  get baseUrl(): string {
    return this.parts.baseUrl(this.req)
  }

  send(body: object): void {
    sendJson(this.req, this.res, body)
  }

  /** The answer to every change. */
  done(subject: string, id: number, message: string): void {
    this.send({ [subject]: { id, message } })
  }

  linkPages(page: Page, total: number): void {
    linkPages(this.req, this.res, this.baseUrl, page, total)
  }
}

export type AbfHandler = (it: AbfRequest) => Promise<void>
/** Method, path below /api/v1 with `:id` for one segment. */
export type AbfRoute = readonly [method: string, path: string, handle: AbfHandler]
