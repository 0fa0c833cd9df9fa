import type { ConfigSource } from '../../src/config/config.js'
import { newId } from '../../src/lib/ids.js'

/*
 * Where objects live, as the hub's configuration says it. S3 is there when a server is named in the environment (the
 * lines that scripts/s3-server.sh prints); test/clients/s3.sh starts one and runs these suites with it.
 */
export interface ObjectMode {
  readonly name: 'disk' | 's3' | 's3-proxy'
  /** A fresh prefix each time, so that tests do not meet. */
  env(): ConfigSource
}

const { S3_ENDPOINT, S3_BUCKET, S3_REGION, S3_ACCESS_KEY_ID, S3_SECRET_ACCESS_KEY } = process.env

export const HAS_S3 = S3_ENDPOINT !== undefined && S3_BUCKET !== undefined

export function s3Env(options: { proxy: boolean }): ConfigSource {
  return {
    PACKHORSE_S3_ENDPOINT: S3_ENDPOINT,
    PACKHORSE_S3_BUCKET: S3_BUCKET,
    PACKHORSE_S3_REGION: S3_REGION,
    PACKHORSE_S3_ACCESS_KEY_ID: S3_ACCESS_KEY_ID,
    PACKHORSE_S3_SECRET_ACCESS_KEY: S3_SECRET_ACCESS_KEY,
    PACKHORSE_S3_PREFIX: `test-${newId()}`,
    PACKHORSE_S3_PROXY: options.proxy ? '1' : '0',
  }
}

const ALL: readonly ObjectMode[] = [
  { name: 'disk', env: () => ({}) },
  { name: 's3', env: () => s3Env({ proxy: false }) },
  { name: 's3-proxy', env: () => s3Env({ proxy: true }) },
]

/** TEST_OBJECT_MODES=s3,s3-proxy narrows it. */
export const OBJECT_MODES = ALL.filter(
  (it) =>
    (it.name === 'disk' || HAS_S3) &&
    (process.env.TEST_OBJECT_MODES?.split(',').includes(it.name) ?? true),
)
