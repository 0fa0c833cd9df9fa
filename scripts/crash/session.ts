import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import { mkdir } from 'node:fs/promises'
import type { Random } from '../bench/generate/random.js'
import type { Command } from './server.js'

/** What a writer works with. `url` changes with every start of the server. */
export interface Session {
  readonly url: string
  readonly user: string
  readonly token: string
  readonly dataDir: string
  readonly command: Command
  readonly random: Random
  /** A directory of the writer's own that lives as long as the run. */
  readonly workDir: string
  /** Aborts when the round's load ends: no new act is begun. */
  readonly signal: AbortSignal
}

/**
 * A kind of load with a memory. Each writer works on repositories of its own, one act after the other, and notes what it
 * intends before and what was acknowledged after: so it knows after a crash what must be there and what may be.
 * Later issues add theirs to writers/index.ts.
 */
export interface Writer {
  readonly name: string
  /** One act. May throw when the server goes away: the act then counts as neither done nor not done. */
  act(it: Session): Promise<void>
  /** After a restart: what is wrong, one line each. What is found becomes the truth from here on. */
  verify(it: Session): Promise<string[]>
  /** How many acts were acknowledged since the start of the run. */
  readonly acknowledged: number
}

export interface Reply {
  readonly status: number
  readonly headers: Headers
  readonly body: Buffer
}

/** One request; throws when there is no complete answer. */
export async function request(
  it: Session,
  path: string,
  options: {
    method?: string
    json?: unknown
    body?: Buffer | string
    type?: string
    anonymous?: boolean
  } = {},
): Promise<Reply> {
  const body = options.json === undefined ? options.body : JSON.stringify(options.json)
  const reply = await fetch(path.startsWith('http') ? path : `${it.url}${path}`, {
    method: options.method ?? (body === undefined ? 'GET' : 'POST'),
    redirect: 'manual',
    signal: AbortSignal.timeout(30_000),
    headers: {
      ...(options.anonymous ? {} : { Authorization: `Bearer ${it.token}` }),
      ...(body === undefined ? {} : { 'Content-Type': options.type ?? 'application/json' }),
    },
    ...(body === undefined ? {} : { body: typeof body === 'string' ? body : new Uint8Array(body) }),
  })
  return {
    status: reply.status,
    headers: reply.headers,
    body: Buffer.from(await reply.arrayBuffer()),
  }
}

/** As `request`; an answer that is no success is an error, with what the server said. */
export async function demand(...args: Parameters<typeof request>): Promise<Reply> {
  const reply = await request(...args)
  if (reply.status >= 300) throw new Refused(args[1], reply)
  return reply
}

export class Refused extends Error {
  readonly status: number
  constructor(path: string, reply: Reply) {
    super(`${path} answered ${reply.status}: ${reply.body.toString('utf8').slice(0, 300)}`)
    this.status = reply.status
  }
}

export interface GitResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The real git, without anybody's configuration. */
export function git(cwd: string, args: readonly string[], input?: string): Promise<GitResult> {
  return new Promise((resolve) => {
    const child = execFile(
      'git',
      [...args],
      {
        cwd,
        timeout: 60_000,
        maxBuffer: 64 * 1024 * 1024,
        env: {
          PATH: process.env.PATH,
          HOME: cwd,
          LC_ALL: 'C',
          GIT_CONFIG_NOSYSTEM: '1',
          GIT_TERMINAL_PROMPT: '0',
          GIT_AUTHOR_NAME: 'Crash',
          GIT_AUTHOR_EMAIL: 'crash@example.org',
          GIT_COMMITTER_NAME: 'Crash',
          GIT_COMMITTER_EMAIL: 'crash@example.org',
        },
      },
      (err, stdout, stderr) =>
        resolve({ code: err ? (typeof err.code === 'number' ? err.code : -1) : 0, stdout, stderr }),
    )
    child.stdin?.on('error', () => undefined)
    child.stdin?.end(input ?? '')
  })
}

export async function gitOk(cwd: string, args: readonly string[], input?: string): Promise<string> {
  const { code, stdout, stderr } = await git(cwd, args, input)
  if (code !== 0) throw new Error(`git ${args.join(' ')} exited ${code}: ${stderr.slice(0, 500)}`)
  return stdout.trim()
}

export interface NewFile {
  readonly path: string
  readonly content: string
}

/** A commit with these files on top of its parent's, in a local repository. Answers its oid. */
export async function makeCommit(
  dir: string,
  parent: string | null,
  message: string,
  files: readonly NewFile[],
): Promise<string> {
  const data = (text: string) => `data ${Buffer.byteLength(text)}\n${text}\n`
  const who = `Crash <crash@example.org> ${Math.floor(Date.now() / 1000)} +0000`
  const stream = [
    'feature done\nreset refs/scratch/tip\n\n',
    `commit refs/scratch/tip\nmark :1\ncommitter ${who}\n${data(message)}`,
    parent ? `from ${parent}\n` : '',
    ...files.map(({ path, content }) => `M 100644 inline ${path}\n${data(content)}`),
    'get-mark :1\ndone\n',
  ]
  return gitOk(dir, ['fast-import', '--quiet', '--force'], stream.join(''))
}

export async function initLocal(dir: string): Promise<void> {
  await mkdir(dir, { recursive: true })
  await gitOk(dir, ['init', '-q', '--initial-branch=main'])
  await gitOk(dir, ['config', 'gc.auto', '0'])
}

export function remoteOf(it: Session, name: string): string {
  return `${it.url.replace('://', `://${it.user}:${it.token}@`)}/${it.user}/${name}.git`
}

/** Every ref of a remote repository, HEAD aside; undefined when there is no such repository. */
export async function listRemote(
  it: Session,
  name: string,
): Promise<Map<string, string> | undefined> {
  const { code, stdout, stderr } = await git(it.workDir, ['ls-remote', remoteOf(it, name)])
  if (code !== 0) {
    if (/not found/i.test(stderr)) return undefined
    throw new Error(`ls-remote ${name}: ${stderr.slice(0, 300)}`)
  }
  const refs = new Map<string, string>()
  for (const line of stdout.split('\n')) {
    const [oid = '', ref = ''] = line.split('\t')
    if (ref && ref !== 'HEAD' && !ref.endsWith('^{}')) refs.set(ref, oid)
  }
  return refs
}

export function sha256(data: Buffer): string {
  return createHash('sha256').update(data).digest('hex')
}
