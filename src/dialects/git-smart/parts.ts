import type { Request, Response } from 'express'
import type { Access, OpenedRepo } from '../../domain/access/access.js'
import type { KeptRights } from '../../domain/access/kept-rights.js'
import type { Bundles } from '../../domain/bundles/bundles.js'
import type { PullRequests } from '../../domain/discussions/pull-requests.js'
import type { GitEngine, ObjectStore } from '../../domain/ports.js'
import type { Pushes } from '../../domain/refs/pushes.js'
import type { RepoRegistry } from '../../domain/repos/registry.js'
import type { FetchQuestions } from './fetch-questions.js'
import type { RefAnswers, RefQuestions } from './ref-answers.js'

export interface GitSmartParts {
  readonly access: Access
  readonly git: GitEngine
  readonly pushes: Pushes
  readonly pulls: PullRequests
  readonly registry: RepoRegistry
  readonly bundles: Bundles
  readonly store: ObjectStore
  readonly baseUrl: (req: Request) => string
  readonly createOnPush: boolean
  readonly agent: string
  /** What Access decided before, as long as it holds. */
  readonly rights: KeptRights
}

/** What the requests of one hub share, besides. */
export interface GitSmartState extends GitSmartParts {
  readonly answers: RefAnswers
  readonly questions: RefQuestions
  readonly fetches: FetchQuestions
}

/** One git request after its repository was found and the caller's right checked. */
export interface GitRequest {
  readonly req: Request
  readonly res: Response
  readonly opened: OpenedRepo
  readonly parts: GitSmartState
}
