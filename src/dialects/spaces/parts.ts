import type { Request } from 'express'
import type { Access } from '../../domain/access/access.js'
import type { ActionSigner } from '../../domain/access/signed-actions.js'
import type { Login } from '../../domain/accounts/login.js'
import type { Contents } from '../../domain/content/contents.js'
import type { RefRecorder } from '../../domain/refs/recorder.js'
import type { RepoStore } from '../../domain/repos/ports.js'
import type { Spaces } from '../../domain/spaces/spaces.js'

export interface SpacesParts {
  readonly access: Access
  readonly contents: Contents
  readonly login: Login
  readonly recorder: RefRecorder
  readonly signer: ActionSigner
  readonly spaces: Spaces
  readonly stores: { readonly repos: RepoStore }
  /** Base URL of the other host name from which Spaces are served; undefined = from the hub's own, sandboxed. */
  readonly spacesUrl: string | undefined
  readonly baseUrl: (req: Request) => string
}
