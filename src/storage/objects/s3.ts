import type { ObjectStore } from '../../domain/ports.js'

export interface S3Options {
  readonly endpoint: string | undefined
  readonly bucket: string
  readonly region: string
  readonly accessKeyId: string
  readonly secretAccessKey: string
  readonly forcePathStyle: boolean
  readonly prefix: string
  readonly proxy: boolean
}

export function s3Store(_options: S3Options, _scratchDir: string): ObjectStore {
  throw new Error('S3 storage is not built yet')
}
