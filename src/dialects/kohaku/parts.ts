import type { Request } from 'express'
import type { Access } from '../../domain/access/access.js'
import type { RepoRegistry } from '../../domain/repos/registry.js'
import type { Squash } from '../../domain/repos/squash.js'

export interface KohakuParts {
  readonly access: Access
  readonly registry: RepoRegistry
  readonly squash: Squash
  readonly baseUrl: (req: Request) => string
}
