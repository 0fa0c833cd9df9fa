import { once } from 'node:events'
import type { Readable, Writable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { HubError } from '../domain/errors.js'
import type { CommitStep, Signature } from '../domain/ports.js'
import type { GitOid, RefUpdate } from '../domain/types.js'
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
  readonly ref: string
  readonly parent: GitOid | null
  readonly message: string
  readonly author: Signature
  readonly steps: AsyncIterable<CommitStep> | Iterable<CommitStep>
}

/**
 * Streams a commit into git-fast-import(1). fast-import moves the ref itself, in a ref transaction, and refuses when the
 * tip is no ancestor of the new commit: with the parent given that is the compare-and-swap.
 */
export async function makeCommit(
  directory: string,
  order: CommitOrder,
  signal: AbortSignal,
): Promise<GitOid> {
  const git = startGit('fast-import', ['--quiet', '--done', '--date-format=raw-permissive'], {
    cwd: directory,
    signal,
  })
  let reply = ''
  git.stdout.setEncoding('utf8')
  git.stdout.on('data', (text: string) => {
    reply += text
  })
  try {
    await feed(git.stdin, order)
  } catch (err) {
    git.kill()
    await git.exited
    throw err
  }
  const code = await git.exited
  const made = reply.trim()
  if (code === 0 && /^[0-9a-f]{40,64}$/.test(made)) return made
  if (/Not updating|cannot lock ref|but expected/.test(git.stderr()))
    throw new HubError('stale_parent', 'the branch moved meanwhile', { ref: order.ref })
  throw new HubError('git_failed', 'git fast-import failed', { code, stderr: git.stderr() })
}

async function feed(out: Writable, order: CommitOrder): Promise<void> {
  const message = Buffer.from(order.message)
  const who = formatSignature(order.author)
  // a ref without a parent must not exist: fast-import checks `from 0…` by loading the tip, so reset first
  await write(
    out,
    `feature done\ncommit ${order.ref}\nmark :1\nauthor ${who}\ncommitter ${who}\ndata ${message.length}\n`,
  )
  await write(out, message)
  await write(out, '\n')
  if (order.parent) await write(out, `from ${order.parent}\n`)
  for await (const step of order.steps) {
    const path = quotePath(step.path)
    if (step.type === 'delete') await write(out, `D ${path}\n`)
    else if (step.type === 'link') await write(out, `M ${step.mode} ${step.oid} ${path}\n`)
    else {
      await write(out, `M ${step.mode} inline ${path}\ndata ${step.size}\n`)
      if (Buffer.isBuffer(step.content)) await write(out, step.content)
      else await pipeline(step.content as Readable, out, { end: false })
      await write(out, '\n')
    }
  }
  await write(out, '\nget-mark :1\ndone\n')
  out.end()
}

async function write(out: Writable, data: string | Buffer): Promise<void> {
  if (out.destroyed || out.errored) throw new HubError('git_failed', 'git fast-import ended early')
  if (!out.write(data)) await Promise.race([once(out, 'drain'), once(out, 'close')])
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
  commit: { treeOid: GitOid; parents: readonly GitOid[]; message: string; author: Signature },
): Promise<GitOid> {
  const who = formatSignature(commit.author)
  const parents = commit.parents.map((it) => `parent ${it}\n`).join('')
  return writeObject(
    directory,
    'commit',
    `tree ${commit.treeOid}\n${parents}author ${who}\ncommitter ${who}\n\n${commit.message}${commit.message.endsWith('\n') ? '' : '\n'}`,
  )
}

export async function createTagObject(
  directory: string,
  tag: { name: string; target: GitOid; message: string; tagger: Signature },
): Promise<GitOid> {
  return writeObject(
    directory,
    'tag',
    `object ${tag.target}\ntype commit\ntag ${tag.name}\ntagger ${formatSignature(tag.tagger)}\n\n${tag.message}${tag.message.endsWith('\n') ? '' : '\n'}`,
  )
}

async function writeObject(
  directory: string,
  type: 'commit' | 'tag',
  text: string,
): Promise<GitOid> {
  const { stdout } = await runGit('hash-object', ['-t', type, '-w', '--stdin'], {
    cwd: directory,
    input: text,
  })
  return stdout.toString().trim()
}
