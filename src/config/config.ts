import { resolve } from 'node:path'
import { z } from 'zod'

const bool = z
  .enum(['1', '0', 'true', 'false', 'yes', 'no'])
  .transform((v) => v === '1' || v === 'true' || v === 'yes')
const bytes = z
  .string()
  .regex(/^\d+(\.\d+)?\s*([kmgt]i?b?|b)?$/i, 'a number of bytes such as 5368709120 or 5GB')
  .transform(parseBytes)

/** Environment names (prefix PACKHORSE_) and their meaning; flags of `serve` are another source of the same keys. */
const Env = z.object({
  HOST: z.string().default('127.0.0.1'),
  PORT: z.coerce.number().int().min(0).max(65_535).default(28_080),
  DATA: z.string().default('./data'),
  URL: z
    .url({ protocol: /^https?$/ })
    .transform((u) => u.replace(/\/+$/, ''))
    .optional(),
  ADMIN_TOKEN: z.string().min(16, 'at least 16 characters').optional(),
  DB: z.string().optional(),
  S3_ENDPOINT: z.url().optional(),
  S3_BUCKET: z.string().optional(),
  S3_REGION: z.string().default('us-east-1'),
  S3_ACCESS_KEY_ID: z.string().optional(),
  S3_SECRET_ACCESS_KEY: z.string().optional(),
  S3_FORCE_PATH_STYLE: bool.default(true),
  S3_PREFIX: z.string().default(''),
  S3_PROXY: bool.default(false),
  LOG_LEVEL: z.enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent']).default('info'),
  REGISTRATION: z.enum(['open', 'closed', 'invite']).default('closed'),
  TRUST_PROXY: z.string().default('loopback'),
  CREATE_ON_PUSH: bool.default(false),
  ALLOW_MISSING_LFS: bool.default(false),
  DEFAULT_BRANCH_DELETE: z.enum(['refuse', 'admins']).default('refuse'),
  FORCE_PUSH: z.enum(['allow', 'admins', 'refuse']).default('admins'),
  MAX_PUSH_BYTES: bytes.optional(),
  MAX_JSON_BYTES: bytes.default(parseBytes('10MiB')),
  MAX_COMMIT_BYTES: bytes.default(parseBytes('1GiB')),
  MAX_LFS_BYTES: bytes.default(parseBytes('5TB')),
  LFS_MULTIPART_BYTES: bytes.default(parseBytes('100MB')),
  LFS_PART_BYTES: bytes.default(parseBytes('64MiB')),
  LFS_ACTION_SECONDS: z.coerce.number().int().min(60).default(86_400),
  LFS_GRACE_SECONDS: z.coerce.number().int().min(0).default(86_400),
  PRIVATE_QUOTA_BYTES: bytes.optional(),
  PUBLIC_QUOTA_BYTES: bytes.optional(),
  JOB_INTERVAL_MS: z.coerce.number().int().min(20).default(1_000),
})

/**
 * The hub's settings, read once. Sizes in bytes, times in the unit of their name.
 * `s3` is present exactly when a bucket is configured; the two key fields then exist.
 */
export type Config = Readonly<ReturnType<typeof shape>>

export type ConfigSource = Readonly<Record<string, string | undefined>>

/** Reads `PACKHORSE_*` from `env`, overridden by `flags` (same names without the prefix). Throws with all mistakes. */
export function readConfig(env: ConfigSource, flags: ConfigSource = {}): Config {
  const values: Record<string, string> = {}
  for (const key of Object.keys(Env.shape)) {
    const value = flags[key] ?? env[`PACKHORSE_${key}`]
    if (value !== undefined && value !== '') values[key] = value
  }
  const parsed = Env.safeParse(values)
  if (!parsed.success)
    throw new Error(`Configuration (PACKHORSE_*):\n${z.prettifyError(parsed.error)}`)
  return Object.freeze(shape(parsed.data))
}

function shape(env: z.infer<typeof Env>) {
  const dataDir = resolve(env.DATA)
  return {
    host: env.HOST,
    port: env.PORT,
    dataDir,
    publicUrl: env.URL,
    adminToken: env.ADMIN_TOKEN,
    db: env.DB ?? resolve(dataDir, 'packhorse.sqlite'),
    s3: readS3(env),
    logLevel: env.LOG_LEVEL,
    registration: env.REGISTRATION,
    trustProxy: env.TRUST_PROXY,
    createOnPush: env.CREATE_ON_PUSH,
    allowMissingLfs: env.ALLOW_MISSING_LFS,
    defaultBranchDelete: env.DEFAULT_BRANCH_DELETE,
    forcePush: env.FORCE_PUSH,
    maxPushBytes: env.MAX_PUSH_BYTES,
    maxJsonBytes: env.MAX_JSON_BYTES,
    maxCommitBytes: env.MAX_COMMIT_BYTES,
    lfs: {
      maxBytes: env.MAX_LFS_BYTES,
      multipartBytes: env.LFS_MULTIPART_BYTES,
      partBytes: env.LFS_PART_BYTES,
      actionSeconds: env.LFS_ACTION_SECONDS,
      graceSeconds: env.LFS_GRACE_SECONDS,
    },
    quotas: {
      privateBytes: env.PRIVATE_QUOTA_BYTES ?? null,
      publicBytes: env.PUBLIC_QUOTA_BYTES ?? null,
    },
    jobIntervalMs: env.JOB_INTERVAL_MS,
  }
}

function readS3(env: z.infer<typeof Env>) {
  if (!env.S3_BUCKET) return undefined
  if (!env.S3_ACCESS_KEY_ID || !env.S3_SECRET_ACCESS_KEY)
    throw new Error(
      'Configuration: PACKHORSE_S3_BUCKET needs PACKHORSE_S3_ACCESS_KEY_ID and PACKHORSE_S3_SECRET_ACCESS_KEY',
    )
  return {
    endpoint: env.S3_ENDPOINT,
    bucket: env.S3_BUCKET,
    region: env.S3_REGION,
    accessKeyId: env.S3_ACCESS_KEY_ID,
    secretAccessKey: env.S3_SECRET_ACCESS_KEY,
    forcePathStyle: env.S3_FORCE_PATH_STYLE,
    prefix: env.S3_PREFIX,
    proxy: env.S3_PROXY,
  }
}

export type S3Config = NonNullable<Config['s3']>

function parseBytes(text: string): number {
  const [, number = '', unit = ''] = /^([\d.]+)\s*([a-z]*)$/i.exec(text.trim()) ?? []
  const u = unit.toLowerCase().replace(/b$/, '')
  const base = u.endsWith('i') ? 1024 : 1000
  const power = ['', 'k', 'm', 'g', 't'].indexOf(u.replace('i', ''))
  return Math.round(Number(number) * base ** Math.max(power, 0))
}
