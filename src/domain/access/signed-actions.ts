import { createSecretKey, type KeyObject } from 'node:crypto'
import jwt from 'jsonwebtoken'
import { HubError } from '../errors.js'
import type { TokenRole } from '../types.js'

/** What a self-authorising URL permits: one operation on one object of one repository, for one user, for a while. */
export interface SignedAction {
  readonly op:
    | 'lfs.upload'
    | 'lfs.download'
    | 'lfs.part'
    | 'lfs.complete'
    | 'lfs.verify'
    | 'blob.download'
    | 'space.view'
  readonly repoId: string
  readonly oid: string
  readonly size: number
  readonly userId: number | null
  /** The most that the credential permitted which asked for this; `write` when it is not said. */
  readonly role?: TokenRole
  /** Asked for with the operator's admin token, which has no user. */
  readonly siteAdmin?: boolean
  /** An upload for a pull request: its user needs to read only. */
  readonly proposal?: boolean
  /** Multipart: the upload and the part number. */
  readonly uploadId?: string
  readonly part?: number
  /** blob.download: the oid is an LFS object's, not a git blob's. */
  readonly lfs?: boolean
}

/** Signs and checks short-lived action tokens (RFC 7519, HS256) with a secret shared by all processes of the hub. */
export class ActionSigner {
  readonly #secret: KeyObject

  constructor(secret: string) {
    // as text it would be tried as a public and a private key first, for milliseconds, each time
    this.#secret = createSecretKey(secret, 'utf8')
  }

  sign(action: SignedAction, seconds: number): string {
    return jwt.sign({ ...action }, this.#secret, {
      algorithm: 'HS256',
      expiresIn: seconds,
      audience: action.op,
      noTimestamp: true,
    })
  }

  /** Throws `not_authenticated` for a token that is forged, expired or meant for another operation. */
  verify(token: string, op: SignedAction['op']): SignedAction {
    try {
      return jwt.verify(token, this.#secret, {
        algorithms: ['HS256'],
        audience: op,
      }) as unknown as SignedAction
    } catch (err) {
      throw new HubError(
        'not_authenticated',
        'This link is not valid (any more). Ask for a new one.',
        {},
        err,
      )
    }
  }
}
