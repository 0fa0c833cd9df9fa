import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { HubError } from '../domain/errors.js'
import type { CommitStep, Signature } from '../domain/ports.js'
import type { GitOid, RefUpdate } from '../domain/types.js'
import { encodeObject, writeLooseObjects } from './loose-objects.js'
import { runGit, startGit } from './spawn.js'

/** All or nothing by one ref transaction (git-update-ref(1) --stdin -z). Throws `conflict` when a ref is not at its old oid. */
export async function updateRefs(directory: string, updates: readonly RefUpdate[]): Promise<void> {
  const zero = '0'.repeat(updates.find((it) => it.newOid ?? it.oldOid)?.newOid?.length ?? 40)
  const lines = updates.map(({ name, oldOid, newOid }) =>
    newOid === null
      ? `delete ${name}\0${oldOid ?? ''}\0`
      : `update ${name}\0${newOid}\0${oldOid ?? zero}\0`,
  )
  const input = `start\0${lines.join('')}prepare\0commit\0`
  const { code, stderr } = await runGit('update-ref', ['--stdin', '-z'], {
    cwd: directory,
    input,
    okCodes: [0, 128],
  })
  if (code === 0) return
  if (
    /cannot lock ref|reference already exists|but expected|unable to resolve reference/.test(stderr)
  )
    throw new HubError('conflict', 'the reference changed meanwhile', { stderr })
  throw new HubError('git_failed', 'git update-ref failed', { stderr })
}

export interface CommitOrder {
  readonly parent: GitOid | null
  readonly message: string
  readonly author: Signature
  readonly steps: AsyncIterable<CommitStep> | Iterable<CommitStep>
}

/** fast-import wants a ref for its commit; `reset` without `from` makes it forget the ref before anything is written. */
const NO_REF = 'refs/packhorse/commit'
const FEED_BYTES = 128 * 1024

/** Streams a commit into git-fast-import(1). Its pack is fsynced when this answers; no ref has moved. */
export async function writeCommit(
  directory: string,
  order: CommitOrder,
  signal: AbortSignal,
): Promise<GitOid> {
  const git = await startGit('fast-import', ['--quiet', '--done', '--date-format=raw-permissive'], {
    cwd: directory,
    signal,
  })
  let reply = ''
  git.stdout.setEncoding('utf8')
  git.stdout.on('data', (text: string) => {
    reply += text
  })
  try {
    await feed(new Feed(git.stdin), order)
  } catch (err) {
    git.kill()
    await git.exited
    throw err
  }
  const code = await git.exited
  const made = reply.trim()
  if (code === 0 && /^[0-9a-f]{40,64}$/.test(made)) return made
  throw new HubError('git_failed', 'git fast-import failed', { code, stderr: git.stderr() })
}

async function feed(out: Feed, order: CommitOrder): Promise<void> {
  const message = Buffer.from(order.message)
  const who = formatSignature(order.author)
  await out.write(
    `feature done\ncommit ${NO_REF}\nmark :1\nauthor ${who}\ncommitter ${who}\ndata ${message.length}\n`,
  )
  await out.write(message)
  await out.write('\n')
  if (order.parent) await out.write(`from ${order.parent}\n`)
  for await (const step of order.steps) {
    const path = quotePath(step.path)
    if (step.type === 'delete') await out.write(`D ${path}\n`)
    else if (step.type === 'link') await out.write(`M ${step.mode} ${step.oid} ${path}\n`)
    else {
      await out.write(`M ${step.mode} inline ${path}\ndata ${step.size}\n`)
      if (Buffer.isBuffer(step.content)) await out.write(step.content)
      else await out.pipe(step.content(), step.size)
      await out.write('\n')
    }
  }
  await out.write(`\nget-mark :1\nreset ${NO_REF}\n\ndone\n`)
  await out.end()
}

/** Writes in pieces of a good size, with backpressure. */
class Feed {
  readonly #out: Writable
  #chunks: Buffer[] = []
  #size = 0
  /** Asked for once: every wait would leave its listeners behind. */
  readonly #closed: Promise<unknown>

  constructor(out: Writable) {
    this.#out = out
    this.#closed = once(out, 'close').catch(() => undefined)
  }

  async write(data: string | Buffer): Promise<void> {
    const chunk = typeof data === 'string' ? Buffer.from(data) : data
    this.#chunks.push(chunk)
    this.#size += chunk.length
    if (this.#size >= FEED_BYTES) await this.#flush()
  }

  /** A stream that is shorter or longer than promised would be read as commands: it throws. */
  async pipe(stream: Readable, size: number): Promise<void> {
    let left = size
    for await (const chunk of stream as AsyncIterable<Buffer>) {
      left -= chunk.length
      if (left < 0) break
      await this.write(chunk)
    }
    if (left !== 0) throw new HubError('git_failed', 'a file changed its size while it was stored')
  }

  async end(): Promise<void> {
    await this.#flush()
    this.#out.end()
  }

  async #flush(): Promise<void> {
    const data = Buffer.concat(this.#chunks)
    this.#chunks = []
    this.#size = 0
    if (this.#out.destroyed || this.#out.errored)
      throw new HubError('git_failed', 'git fast-import ended early')
    if (!this.#out.write(data)) await Promise.race([drained(this.#out), this.#closed])
  }
}

function drained(out: Writable): Promise<void> {
  return new Promise((resolve) => void out.once('drain', resolve))
}

/** Always quoted, so no path can be read as anything else (git-fast-import(1), "path"). */
function quotePath(path: string): string {
  return `"${path.replace(/[\\"]/g, '\\$&').replace(/\n/g, '\\n')}"`
}

export function formatSignature(who: Signature): string {
  const clean = (text: string) => text.replace(/[<>\n\r\0]/g, '').trim()
  return `${clean(who.name) || 'unknown'} <${clean(who.email)}> ${Math.floor(Date.parse(who.at) / 1000)} +0000`
}

export async function commitTree(
  directory: string,
  commit: {
    treeOid: GitOid
    parents: readonly GitOid[]
    message: string
    author: Signature
    committer?: Signature
  },
): Promise<GitOid> {
  const who = formatSignature(commit.author)
  const committer = formatSignature(commit.committer ?? commit.author)
  const parents = commit.parents.map((it) => `parent ${it}\n`).join('')
  const text = `tree ${commit.treeOid}\n${parents}author ${who}\ncommitter ${committer}\n\n${commit.message}${commit.message.endsWith('\n') ? '' : '\n'}`
  const format = commit.treeOid.length === 64 ? 'sha256' : 'sha1'
  const object = encodeObject('commit', Buffer.from(text), format)
  await writeLooseObjects(directory, [object])
  return object.oid
}

export async function createTagObject(
  directory: string,
  tag: { name: string; target: GitOid; message: string; tagger: Signature },
): Promise<GitOid> {
  const text = `object ${tag.target}\ntype commit\ntag ${tag.name}\ntagger ${formatSignature(tag.tagger)}\n\n${tag.message}${tag.message.endsWith('\n') ? '' : '\n'}`
  const { stdout } = await runGit('hash-object', ['-t', 'tag', '-w', '--stdin'], {
    cwd: directory,
    input: text,
  })
  return stdout.toString().trim()
}
