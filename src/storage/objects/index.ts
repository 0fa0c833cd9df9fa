import { join } from 'node:path'
import type { ObjectStore } from '../../domain/ports.js'
import { diskStore } from './disk.js'
import type { S3Options } from './s3-client.js'

/** S3 when a bucket is configured, else the data directory. The S3 packages load only when they are needed. */
export async function openObjects(config: {
  dataDir: string
  s3: S3Options | undefined
}): Promise<ObjectStore> {
  if (!config.s3) return diskStore(join(config.dataDir, 'objects'))
  const { s3Store } = await import('./s3.js')
  return s3Store(config.s3)
}
