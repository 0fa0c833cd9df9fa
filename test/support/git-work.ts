import { mkdir, readdir, readFile, readlink, realpath, rm, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { ObjectFormat, RepoKind, Visibility } from '../../src/domain/types.js'
import { git, gitOk, type TestHub, type TestUser } from './hub.js'

/** Makes a repository through the API; without `init` it has no commit. Answers its record. */
export async function createRepo(
  hub: TestHub,
  user: TestUser,
  name: string,
  options: {
    init?: boolean
    type?: RepoKind
    objectFormat?: ObjectFormat
    defaultBranch?: string
    visibility?: Visibility
    organization?: string
  } = {},
) {
  const { init = false, type = 'model', objectFormat, defaultBranch, visibility } = options
  const reply = await hub.api('/api/repos/create', {
    as: user,
    body: {
      name,
      type,
      auto_init: init,
      ...(options.organization ? { organization: options.organization } : {}),
      ...(objectFormat ? { object_format: objectFormat } : {}),
      ...(defaultBranch ? { default_branch: defaultBranch } : {}),
      ...(visibility ? { visibility } : {}),
    },
  })
  if (reply.status !== 200) throw new Error(`create ${name}: ${reply.status} ${reply.text}`)
  return readRepo(hub, options.organization ?? user.name, name, type)
}

/** The repository as the database has it now. */
export async function readRepo(
  hub: TestHub,
  namespace: string,
  name: string,
  kind: RepoKind = 'model',
) {
  const repo = await hub.domain.stores.repos.findByAddress({ kind, namespace, name })
  if (!repo) throw new Error(`no repository ${namespace}/${name}`)
  return repo
}

/** Where the hub keeps a repository. */
export async function bareDir(hub: TestHub, namespace: string, name: string): Promise<string> {
  return hub.domain.git.directory((await readRepo(hub, namespace, name)).id)
}

/** A work tree with one commit on `main`. */
export async function initWork(
  parent: string,
  name: string,
  options: { objectFormat?: ObjectFormat; files?: Record<string, string | Buffer> } = {},
): Promise<string> {
  await gitOk(parent, ['init', '-q', `--object-format=${options.objectFormat ?? 'sha1'}`, name])
  const dir = join(parent, name)
  await commitFiles(dir, options.files ?? { 'hello.txt': 'hello\n' }, 'first')
  return dir
}

/** Writes files (null removes) and commits; answers the commit's id. */
export async function commitFiles(
  dir: string,
  files: Record<string, string | Buffer | null>,
  message = 'change',
): Promise<string> {
  for (const [path, content] of Object.entries(files)) {
    const file = join(dir, path)
    if (content === null) {
      await rm(file, { recursive: true, force: true })
      continue
    }
    await mkdir(dirname(file), { recursive: true })
    await writeFile(file, content)
  }
  await gitOk(dir, ['add', '-A'])
  await gitOk(dir, ['commit', '-q', '--allow-empty', '-m', message])
  return gitOk(dir, ['rev-parse', 'HEAD'])
}

/** Everything git says about the refs of a repository, HEAD included. */
export async function refsOf(dir: string): Promise<string> {
  const { stdout } = await git(dir, ['for-each-ref', '--format=%(objectname) %(refname)'])
  const head = await git(dir, ['symbolic-ref', 'HEAD'])
  return `${head.stdout}${stdout}`
}

/** Fails the test unless git finds nothing wrong. */
export async function expectClean(dir: string): Promise<void> {
  await gitOk(dir, ['fsck', '--full', '--strict', '--no-dangling'])
}

/**
 * Waits until no process works in the hub's repositories any more, and no child of this process is a zombie.
 * The readers that the hub keeps open (`cat-file --batch-command`) do not count.
 */
export async function expectNoGitLeft(hub: TestHub): Promise<void> {
  const deadline = Date.now() + 15_000
  for (;;) {
    const left = await processesIn(hub.dataDir)
    if (left.length === 0) return
    if (Date.now() > deadline) throw new Error(`still running:\n${left.join('\n')}`)
    await new Promise((resolve) => setTimeout(resolve, 50))
  }
}

export async function processesIn(dir: string): Promise<string[]> {
  const found: string[] = []
  const root = await realpath(dir)
  for (const pid of (await readdir('/proc')).filter((it) => /^\d+$/.test(it))) {
    try {
      const stat = await readFile(`/proc/${pid}/stat`, 'latin1')
      const [state, parent] = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
      const command = (await readFile(`/proc/${pid}/cmdline`, 'latin1')).replaceAll('\0', ' ')
      if (state === 'Z') {
        if (Number(parent) === process.pid) found.push(`${pid} zombie`)
      } else if ((await readlink(`/proc/${pid}/cwd`)).startsWith(root)) {
        if (!command.includes('cat-file --batch-command')) found.push(`${pid} ${command}`)
      }
    } catch {
      // ended while we looked
    }
  }
  return found
}
