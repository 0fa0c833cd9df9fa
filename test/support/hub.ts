import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { pino } from 'pino'
import { onTestFinished } from 'vitest'
import { type ConfigSource, readConfig } from '../../src/config/config.js'
import { issueToken } from '../../src/domain/accounts/login.js'
import type { OrgRole, RepoId, TokenRole, User } from '../../src/domain/types.js'
import { type Hub, startHub } from '../../src/hub.js'

const run = promisify(execFile)

export const ADMIN_TOKEN = 'test-admin-token-0123456789'

/** A directory that is gone when the test is over. */
export async function tempDir(): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'packhorse-test-'))
  onTestFinished(() => rm(dir, { recursive: true, force: true }))
  return dir
}

export interface TestHub extends Hub {
  readonly dataDir: string
  /** An account with a token of this role. */
  user(name: string, options?: { role?: TokenRole; admin?: boolean }): Promise<TestUser>
  token(
    user: User,
    options: { role?: TokenRole; repoIds?: readonly RepoId[]; expiresAt?: string },
  ): Promise<string>
  org(name: string, owner: TestUser, members?: Record<string, OrgRole>): Promise<void>
  /** JSON call against the hub; a body makes it a POST unless `method` says otherwise. */
  api(path: string, options?: ApiOptions): Promise<ApiReply>
  /** URL for git with credentials in it. */
  gitUrl(path: string, user?: TestUser): string
}

export interface TestUser {
  readonly user: User
  readonly name: string
  readonly token: string
}

export interface ApiOptions {
  readonly method?: string
  readonly as?: TestUser
  readonly body?: unknown
  readonly headers?: Record<string, string>
}

export interface ApiReply {
  readonly status: number
  readonly headers: Headers
  readonly text: string
  // biome-ignore lint/suspicious/noExplicitAny: tests read whatever shape the dialect promises
  readonly json: any
}

/** The real hub on a free port with its own data directory; closed and removed when the test is over. */
export async function startTestHub(env: ConfigSource = {}): Promise<TestHub> {
  const dataDir = env.PACKHORSE_DATA ?? (await tempDir())
  const config = readConfig({
    PACKHORSE_PORT: '0',
    PACKHORSE_ADMIN_TOKEN: ADMIN_TOKEN,
    PACKHORSE_LOG_LEVEL: process.env.TEST_LOG_LEVEL ?? 'silent',
    PACKHORSE_JOB_INTERVAL_MS: '50',
    ...env,
    PACKHORSE_DATA: dataDir,
  })
  const hub = await startHub(config, pino({ level: config.logLevel }, pino.destination(2)))
  let closed: Promise<void> | undefined
  const close = () => (closed ??= hub.close())
  onTestFinished(close)
  const { stores, accounts } = hub.domain

  return {
    ...hub,
    close,
    dataDir,
    async user(name, options = {}) {
      const user = await accounts.createUser({
        name,
        password: `${name}-password`,
        email: `${name}@example.org`,
        isSiteAdmin: options.admin ?? false,
      })
      const role = options.role ?? 'write'
      const { secret } = await issueToken(stores.accounts, { userId: user.id, name: 'test', role })
      return { user, name, token: secret }
    },
    async token(user, options) {
      const { secret } = await issueToken(stores.accounts, {
        userId: user.id,
        name: 'test',
        role: options.role ?? 'write',
        repoIds: options.repoIds ?? [],
        expiresAt: options.expiresAt ?? null,
      })
      return secret
    },
    async org(name, owner, members = {}) {
      const org = await accounts.createOrg({ name, owner: owner.user })
      for (const [member, role] of Object.entries(members)) {
        const user = await stores.accounts.findUser(member)
        if (user) await stores.accounts.setMember(org.id, user.id, role)
      }
    },
    async api(path, options = {}) {
      const { as, body, headers = {} } = options
      const reply = await fetch(`${hub.url}${path}`, {
        method: options.method ?? (body === undefined ? 'GET' : 'POST'),
        redirect: 'manual',
        headers: {
          ...(as ? { Authorization: `Bearer ${as.token}` } : {}),
          ...(body === undefined ? {} : { 'Content-Type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined
          ? {}
          : { body: typeof body === 'string' ? body : JSON.stringify(body) }),
      })
      const text = await reply.text()
      let json: unknown
      try {
        json = JSON.parse(text)
      } catch {
        json = undefined
      }
      return { status: reply.status, headers: reply.headers, text, json }
    },
    gitUrl(path, user) {
      const url = new URL(hub.url)
      if (user) {
        url.username = user.name
        url.password = user.token
      }
      return `${url.toString().replace(/\/$/, '')}/${path}`
    },
  }
}

export interface RunResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

const GIT_ENV = {
  GIT_AUTHOR_NAME: 'Test',
  GIT_AUTHOR_EMAIL: 'test@example.org',
  GIT_COMMITTER_NAME: 'Test',
  GIT_COMMITTER_EMAIL: 'test@example.org',
  GIT_TERMINAL_PROMPT: '0',
  GIT_CONFIG_NOSYSTEM: '1',
  GIT_CONFIG_COUNT: '2',
  GIT_CONFIG_KEY_0: 'init.defaultBranch',
  GIT_CONFIG_VALUE_0: 'main',
  GIT_CONFIG_KEY_1: 'protocol.file.allow',
  GIT_CONFIG_VALUE_1: 'always',
  LC_ALL: 'C',
}

/** Runs the real git with a configuration of its own (HOME is the working directory's parent). Never throws for exit codes. */
export async function git(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<RunResult> {
  return runCommand('git', args, { cwd, env: { ...GIT_ENV, HOME: join(cwd, '..'), ...env } })
}

/** As `git`, but a non-zero exit fails the test with what git said. Answers stdout, trimmed. */
export async function gitOk(
  cwd: string,
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<string> {
  const { code, stdout, stderr } = await git(cwd, args, env)
  if (code !== 0) throw new Error(`git ${args.join(' ')} exited ${code}\n${stdout}${stderr}`)
  return stdout.trim()
}

export async function runCommand(
  command: string,
  args: readonly string[],
  options: { cwd: string; env?: Record<string, string>; timeoutMs?: number },
): Promise<RunResult> {
  try {
    const { stdout, stderr } = await run(command, [...args], {
      cwd: options.cwd,
      env: { PATH: process.env.PATH ?? '', ...options.env },
      maxBuffer: 256 * 1024 * 1024,
      timeout: options.timeoutMs ?? 120_000,
    })
    return { code: 0, stdout, stderr }
  } catch (err) {
    const failed = err as { code?: unknown; stdout?: string; stderr?: string }
    if (typeof failed.code !== 'number') throw err
    return { code: failed.code, stdout: failed.stdout ?? '', stderr: failed.stderr ?? '' }
  }
}
