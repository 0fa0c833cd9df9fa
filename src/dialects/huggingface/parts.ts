import type { Request, Response } from 'express'
import type { OpenedRepo } from '../../domain/access/access.js'
import type { Caller, Right } from '../../domain/types.js'
import type { Domain } from './domain.js'

/** What the dialect asks of the hub. */
export interface HfParts extends Domain {
  readonly baseUrl: (req: Request) => string
  /** Rows that another dialect adds to the table of routes on one repository. */
  readonly moreRoutes: readonly RepoRoute[]
  readonly maxCommitBytes: number
  /** Where long request bodies wait until they were checked. */
  readonly spoolDir: string
}

/** A request on one repository, found and the right checked. */
export interface HfRequest {
  readonly req: Request
  readonly res: Response
  readonly parts: HfParts
  readonly caller: Caller
  readonly opened: OpenedRepo
  /** Captures of the route's path, percent-decoded one by one (`refs%2Fpr%2F1` arrives as `refs/pr/1`). */
  readonly params: readonly string[]
  /** What follows the repository in the path, still percent-encoded. */
  readonly rest: string
}

/** One row of a route table: a path below /api/{type}s/{ns}/{name}/, matched while it is still percent-encoded. */
export interface RepoRoute {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  readonly path: RegExp
  readonly right: Right
  readonly handle: (it: HfRequest) => Promise<void>
}
