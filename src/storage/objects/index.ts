import { join } from 'node:path'
import type { ObjectStore } from '../../domain/ports.js'
import { diskStore } from './disk.js'

/** S3 when a bucket is configured, else the data directory. The S3 packages load only when they are needed. */
export async function openObjects(config: {
  dataDir: string
  s3: Parameters<typeof import('./s3.js')['s3Store']>[0] | undefined
}): Promise<ObjectStore> {
  if (!config.s3) return diskStore(join(config.dataDir, 'objects'))
  const { s3Store } = await import('./s3.js')
  return s3Store(config.s3, join(config.dataDir, 'objects'))
}
