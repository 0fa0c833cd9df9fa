import { join } from 'node:path'
import type { ObjectStore } from '../../domain/ports.js'
import { diskStore } from './disk.js'
import type { S3Options } from './s3-client.js'

/** Where objects are when they are not in S3. */
export function objectsDirectory(dataDir: string): string {
  return join(dataDir, 'objects')
}

/** S3 when a bucket is configured, else the data directory. The S3 packages load only when they are needed. */
export async function openObjects(config: {
  dataDir: string
  s3: S3Options | undefined
}): Promise<ObjectStore> {
  if (!config.s3) return diskStore(objectsDirectory(config.dataDir))
  const { s3Store } = await import('./s3.js')
  return s3Store(config.s3)
}
