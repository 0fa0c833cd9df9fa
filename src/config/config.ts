import { availableParallelism } from 'node:os'
import { resolve } from 'node:path'
import { z } from 'zod'

const bool = z
  .enum(['1', '0', 'true', 'false', 'yes', 'no'], 'must be yes or no')
  .transform((v) => v === '1' || v === 'true' || v === 'yes')
/** As Express's "trust proxy" takes it. */
const trustProxy = z
  .string()
  .regex(
    /^(none|\d+|(loopback|linklocal|uniquelocal|[\d.]+(\/\d+)?|[\da-f:.]*:[\da-f:.]*(\/\d+)?)(\s*,\s*(?!$)|$))+$/i,
    'must be none, a number of hops, or addresses, networks, loopback, linklocal, uniquelocal with commas between',
  )
  .transform((it) => (it === 'none' ? false : /^\d+$/.test(it) ? Number(it) : it))
const bytes = z
  .string()
  .regex(
    /^\d+(\.\d+)?\s*([kmgt]i?b?|b)?$/i,
    'must be a number of bytes such as 5368709120, 5GB or 5GiB',
  )
  .transform(parseBytes)

const integer = (min: number, max = Number.MAX_SAFE_INTEGER) =>
  z.coerce.number('must be a number').int('must be a whole number').min(min).max(max)
/** A program, or a JSON array of it and its arguments: never a line for a shell. */
const command = z.string().transform((text, context) => {
  if (!text.startsWith('[')) return [text]
  try {
    return z.array(z.string().min(1)).min(1).parse(JSON.parse(text))
  } catch {
    context.addIssue({
      code: 'custom',
      message: 'must be a program, or a JSON array of strings: the program and its arguments',
    })
    return z.NEVER
  }
})

const workers = z
  .string()
  .regex(/^(auto|[1-9]\d?)$/, 'must be auto or a number from 1 to 99')
  .transform((it) => (it === 'auto' ? availableParallelism() : Number(it)))

/**
 * Environment names (prefix PACKHORSE_) and their meaning. Flags of `serve` are another source of the same keys:
 * FORCE_PUSH is --force-push. The descriptions are what --help and docs/operations.md say.
 */
const Env = z.object({
  HOST: z.string().default('127.0.0.1').describe('address to listen on'),
  PORT: integer(0, 65_535).default(28_080).describe('port to listen on; 0 = any free one'),
  DATA: z.string().default('./data').describe('data directory'),
  URL: z
    .url({ protocol: /^https?$/, error: 'must be a http or https URL' })
    .transform((u) => u.replace(/\/+$/, ''))
    .optional()
    .describe("public base URL put into answers; without it the request's Host is used"),
  ADMIN_TOKEN: z
    .string()
    .min(16, 'must have at least 16 characters')
    .optional()
    .describe('secret for the X-Admin-Token header'),
  DB: z
    .string()
    .optional()
    .describe('database file; default: packhorse.sqlite in the data directory'),
  S3_ENDPOINT: z.url('must be a URL').optional().describe('S3 service, when it is not AWS'),
  S3_BUCKET: z
    .string()
    .optional()
    .describe('bucket for LFS objects; without it they are files in the data directory'),
  S3_REGION: z.string().default('us-east-1').describe('region of the bucket'),
  S3_ACCESS_KEY_ID: z.string().optional().describe('access key, needed with a bucket'),
  S3_SECRET_ACCESS_KEY: z.string().optional().describe('its secret, needed with a bucket'),
  S3_FORCE_PATH_STYLE: bool.default(true).describe('bucket in the path instead of the host name'),
  S3_PREFIX: z.string().default('').describe('prefix of every key, so that a bucket can be shared'),
  S3_PROXY: bool
    .default(false)
    .describe('pass object bytes through the hub, for clients that cannot reach S3'),
  LOG_LEVEL: z
    .enum(['fatal', 'error', 'warn', 'info', 'debug', 'trace', 'silent'])
    .default('info')
    .describe('fatal, error, warn, info, debug, trace or silent; info logs every request'),
  REGISTRATION: z
    .enum(['open', 'closed', 'invite'])
    .default('closed')
    .describe('who may make an account: open, closed or invite'),
  TRUST_PROXY: trustProxy
    .default('loopback')
    .describe(
      'proxies whose X-Forwarded-* is believed: addresses, networks, loopback, a number of hops, or none',
    ),
  CREATE_ON_PUSH: bool
    .default(false)
    .describe('a push to a repository that does not exist creates it, private'),
  ALLOW_MISSING_LFS: bool
    .default(false)
    .describe('take pushes whose LFS objects are not here (pointer-only mirrors)'),
  DEFAULT_BRANCH_DELETE: z
    .enum(['refuse', 'admins'])
    .default('refuse')
    .describe('who may delete the default branch by a push: refuse or admins'),
  FORCE_PUSH: z
    .enum(['allow', 'admins', 'refuse'])
    .default('admins')
    .describe('who may force-push: allow (every writer), admins or refuse'),
  MAX_PUSH_BYTES: bytes.optional().describe('largest pack that a push may bring'),
  MAX_JSON_BYTES: bytes.default(parseBytes('10MiB')).describe('largest JSON body'),
  API_CALLS: z.coerce
    .number()
    .int()
    .min(0)
    .default(600_000)
    .describe('calls of the APIs per account, or address, within the window below'),
  API_WINDOW_SECONDS: z.coerce.number().int().min(1).default(300).describe('length of that window'),
  MAX_COMMIT_BYTES: bytes.default(parseBytes('1GiB')).describe('largest body of the commit API'),
  MAX_LFS_BYTES: bytes.default(parseBytes('5TB')).describe('largest LFS object'),
  LFS_MULTIPART_BYTES: bytes
    .default(parseBytes('100MB'))
    .describe('clients that can are asked for parts from this size on'),
  LFS_PART_BYTES: bytes.default(parseBytes('64MiB')).describe('size of such a part'),
  LFS_ACTION_SECONDS: integer(60)
    .default(86_400)
    .describe('how long upload and download links live'),
  LFS_GRACE_SECONDS: integer(0)
    .default(86_400)
    .describe('how long an uploaded LFS object waits for the push that names it'),
  XET_LINKS: z
    .enum(['s3', 'hub'])
    .default('s3')
    .describe(
      'where Xet clients fetch stored chunks when S3 hands out presigned URLs: from S3, or through the hub, which verifies each chunk on its way out',
    ),
  XET_GRACE_SECONDS: integer(0)
    .default(30 * 86_400)
    .describe(
      'how long a xorb that no file stands on is kept; clients remember xorbs for 21 days and fail without them',
    ),
  DEDUPE: z
    .enum(['eager', 'lazy', 'off'])
    .default('off')
    .describe(
      'store objects that came by git-lfs or the web in chunks, too: eager (within a minute), lazy (daily, those older than a day) or off',
    ),
  DEDUPE_SCOPE: z
    .enum(['readable', 'hub', 'off'])
    .default('readable')
    .describe(
      'whose chunks Xet uploads may leave out: readable (of repositories that the uploader may read), hub (all; tells that a chunk exists somewhere) or off',
    ),
  PRIVATE_QUOTA_BYTES: bytes
    .optional()
    .describe('default quota of a namespace for private repositories'),
  PUBLIC_QUOTA_BYTES: bytes
    .optional()
    .describe('default quota of a namespace for public repositories'),
  ACCEL_REDIRECT: z
    .string()
    .regex(
      /^(\/[\w-]+(\/[\w-]+)*\/|x-sendfile)$/,
      'must be x-sendfile, or a path that begins and ends with /, such as /packhorse-objects/',
    )
    .optional()
    .describe(
      'lets the server in front send the object files itself: the internal location of an nginx that holds them, or x-sendfile for Apache and lighttpd (see below)',
    ),
  METRICS: z
    .enum(['local', 'open', 'off'])
    .default('local')
    .describe(
      'who may read /metrics: local (direct callers on this machine), open or off; site administrators may unless off',
    ),
  SECRET_KEY: z
    .string()
    .min(32, 'must have at least 32 characters')
    .optional()
    .describe(
      'key that stored secrets and signing keys are encrypted with; default: made in the data directory',
    ),
  MIRROR_LOCK_SECONDS: integer(10, 7 * 86_400)
    .default(3_600)
    .describe('how long a .repo.lock lasts that its mirror does not renew'),
  AUDIT_DAYS: integer(0, 36_500)
    .default(365)
    .describe('how long the audit log is kept; 0 = for ever'),
  AUDIT_REFUSALS: integer(1, 1_000_000)
    .default(60)
    .describe(
      'refused and anonymous acts a minute that the audit log keeps, a fifth of them from one source; the others are only counted',
    ),
  ABF_HOURLY_CALLS: integer(1)
    .default(2_000)
    .describe('calls of the ABF API per account, or address, and hour'),
  FETCH_CACHE_BYTES: bytes
    .default(parseBytes('10GiB'))
    .describe(
      'disk for answers to fetches (cache/ in the data directory), the ones not asked for longest go first; 0 = none is kept',
    ),
  PACK_PROCESSES: integer(0, 1_024)
    .default(0)
    .describe(
      'packs that git makes for fetches at once, and as many that it takes in; 0 = by cores and memory, at least 2',
    ),
  PACK_WAIT_SECONDS: integer(0, 3_600)
    .default(120)
    .describe(
      'how long a fetch or a big push waits for its turn before it is told to come again (503)',
    ),
  WEBHOOKS_ALLOW_PRIVATE: bool
    .default(false)
    .describe(
      'deliver webhooks to loopback and private networks, too; names then also come from the hosts file',
    ),
  WEBHOOKS_TIMEOUT_SECONDS: integer(1, 120)
    .default(10)
    .describe('how long the receiver of a webhook has to answer'),
  WEBHOOKS_RETRY_MS: integer(10, 3_600_000)
    .default(10_000)
    .describe('wait after the first failed delivery, doubled after each further one up to an hour'),
  WEBHOOKS_ATTEMPTS: integer(1, 1_000)
    .default(32)
    .describe(
      'attempts at a delivery (32 take about a day) before it is given up; a webhook that took nothing meanwhile is suspended',
    ),
  SPACES_URL: z
    .url({ protocol: /^https?$/, error: 'must be a http or https URL' })
    .transform((u) => u.replace(/\/+$/, ''))
    .optional()
    .describe(
      'base URL of another host name for the same hub, from which static Spaces are served; without it they are served sandboxed from the hub itself',
    ),
  SPACE_RUNNER: command
    .optional()
    .describe(
      'command that runs Spaces and inference endpoints: a program, or a JSON array of it and its arguments; without it none runs',
    ),
  WORKERS: workers
    .default(1)
    .describe('processes that serve side by side; auto = one for each processor core'),
  BUNDLE_MIN_BYTES: bytes
    .default(parseBytes('256MiB'))
    .describe(
      'git data from which on a public repository gets a bundle for clients that ask (transfer.bundleURI); 0 = none does',
    ),
  JOB_INTERVAL_MS: integer(20).default(1_000).describe('how often background work is looked for'),
  SHUTDOWN_SECONDS: integer(0, 3_600)
    .default(30)
    .describe('how long requests in flight may go on after SIGTERM'),
})

/** One setting as --help and the documentation show it. */
export interface Setting {
  readonly key: string
  readonly variable: string
  readonly flag: string
  readonly description: string
  /** As text; empty where there is none. */
  readonly defaultValue: string
  /** A flag without a value means yes. */
  readonly isSwitch: boolean
}

export const SETTINGS: readonly Setting[] = Object.entries(Env.shape).map(([key, schema]) => ({
  key,
  variable: `PACKHORSE_${key}`,
  flag: `--${key.toLowerCase().replaceAll('_', '-')}`,
  description: schema.description ?? '',
  defaultValue: String(schema.safeParse(undefined).data ?? ''),
  isSwitch: schema.safeParse('yes').success && !schema.safeParse('maybe').success,
}))

/**
 * The hub's settings, read once. Sizes in bytes, times in the unit of their name.
 * `s3` is present exactly when a bucket is configured; the two key fields then exist.
 */
export type Config = Readonly<ReturnType<typeof shape>> & {
  /** PACKHORSE_* variables that mean nothing. */
  readonly unknown: readonly string[]
}

export type ConfigSource = Readonly<Record<string, string | undefined>>

/** Reads `PACKHORSE_*` from `env`, overridden by `flags` (same names without the prefix). Throws with all mistakes. */
export function readConfig(env: ConfigSource, flags: ConfigSource = {}): Config {
  const values: Record<string, string> = {}
  for (const key of Object.keys(Env.shape)) {
    const value = flags[key] ?? env[`PACKHORSE_${key}`]
    if (value !== undefined && value !== '') values[key] = value
  }
  const parsed = Env.safeParse(values)
  const mistakes = parsed.success
    ? []
    : parsed.error.issues.map((it) => `PACKHORSE_${it.path.join('.')}: ${it.message}`)
  if (values.S3_BUCKET && !(values.S3_ACCESS_KEY_ID && values.S3_SECRET_ACCESS_KEY))
    mistakes.push(
      'PACKHORSE_S3_BUCKET: needs PACKHORSE_S3_ACCESS_KEY_ID and PACKHORSE_S3_SECRET_ACCESS_KEY',
    )
  if (!parsed.success || mistakes.length > 0)
    throw new Error(['wrong configuration', ...mistakes.map((it) => `  ${it}`)].join('\n'))
  return Object.freeze({ ...shape(parsed.data), unknown: unknownNames(env) })
}

/** Misspelt variables. PACKHORSE_SERVICE_… and PACKHORSE_PORT_… are what Kubernetes sets for a service of this name. */
function unknownNames(env: ConfigSource): readonly string[] {
  return Object.keys(env).filter(
    (it) =>
      it.startsWith('PACKHORSE_') &&
      !/^PACKHORSE_(SERVICE|PORT_)/.test(it) &&
      !(it.slice('PACKHORSE_'.length) in Env.shape),
  )
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
    apiLimit: { calls: env.API_CALLS, windowSeconds: env.API_WINDOW_SECONDS },
    maxCommitBytes: env.MAX_COMMIT_BYTES,
    lfs: {
      maxBytes: env.MAX_LFS_BYTES,
      multipartBytes: env.LFS_MULTIPART_BYTES,
      partBytes: env.LFS_PART_BYTES,
      actionSeconds: env.LFS_ACTION_SECONDS,
      graceSeconds: env.LFS_GRACE_SECONDS,
    },
    xet: {
      graceSeconds: env.XET_GRACE_SECONDS,
      dedupeScope: env.DEDUPE_SCOPE,
      dedupe: env.DEDUPE,
      links: env.XET_LINKS,
    },
    quotas: {
      privateBytes: env.PRIVATE_QUOTA_BYTES ?? null,
      publicBytes: env.PUBLIC_QUOTA_BYTES ?? null,
    },
    accelRedirect: env.ACCEL_REDIRECT,
    metrics: env.METRICS,
    secretKey: env.SECRET_KEY,
    mirrorLockSeconds: env.MIRROR_LOCK_SECONDS,
    audit: { keepDays: env.AUDIT_DAYS, refusalsPerMinute: env.AUDIT_REFUSALS },
    abfHourlyCalls: env.ABF_HOURLY_CALLS,
    bundleMinBytes: env.BUNDLE_MIN_BYTES,
    fetchCacheBytes: env.FETCH_CACHE_BYTES,
    packProcesses: env.PACK_PROCESSES,
    packWaitMs: env.PACK_WAIT_SECONDS * 1000,
    webhooks: {
      allowPrivate: env.WEBHOOKS_ALLOW_PRIVATE,
      timeoutMs: env.WEBHOOKS_TIMEOUT_SECONDS * 1000,
      retryMs: env.WEBHOOKS_RETRY_MS,
      maxAttempts: env.WEBHOOKS_ATTEMPTS,
      intervalMs: env.JOB_INTERVAL_MS,
      publicUrl: env.URL,
    },
    spacesUrl: env.SPACES_URL,
    spaceRunner: env.SPACE_RUNNER,
    workers: env.WORKERS,
    jobIntervalMs: env.JOB_INTERVAL_MS,
    shutdownMs: env.SHUTDOWN_SECONDS * 1000,
  }
}

function readS3(env: z.infer<typeof Env>) {
  if (!env.S3_BUCKET || !env.S3_ACCESS_KEY_ID || !env.S3_SECRET_ACCESS_KEY) return undefined
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
