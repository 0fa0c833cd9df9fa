import type { Readable } from 'node:stream'
import type { LfsOid } from '../types.js'

/** Bytes of a file as a commit brings them; may be opened more than once. */
export interface FileContent {
  readonly size: number
  /** Present while they are in memory. */
  readonly bytes: Buffer | undefined
  open(): Readable
}

/** One change of a commit. They apply in order. Paths are as the caller wrote them, not checked yet. */
export type FileChange =
  /** `oldPath`: the file was there before and is renamed. */
  | {
      readonly type: 'put'
      readonly path: string
      readonly content: FileContent
      readonly oldPath?: string
    }
  /** Size undefined: whatever the stored object has. */
  | {
      readonly type: 'put_lfs'
      readonly path: string
      readonly oid: LfsOid
      readonly size: number | undefined
      readonly oldPath?: string
    }
  /** The file as it is at a revision of this repository, undefined = the commit's parent. */
  | {
      readonly type: 'copy'
      readonly path: string
      readonly from: string
      readonly revision: string | undefined
    }
  /** A path that is a folder takes all below it along. */
  | { readonly type: 'delete'; readonly path: string }
