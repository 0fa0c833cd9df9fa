import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { hasEnded } from '../../src/lib/process-instance.js'
import { type Command, runSubcommand } from './server.js'
import { gitOk } from './session.js'

const SETTLE_MS = 30_000

/** What must hold for the whole data directory a while after a start, whatever was running before. One line per problem. */
export async function inspect(command: Command, dataDir: string): Promise<string[]> {
  const unsettled = await settle(dataDir)
  const problems = [...unsettled, ...(await wrongCounters(dataDir))]
  const { code, output } = await runSubcommand(command, dataDir, ['fsck', '--lfs'])
  if (code !== 0)
    problems.push(
      ...output
        .trim()
        .split('\n')
        .slice(0, 20)
        .map((it) => `fsck: ${it}`),
    )
  return problems
}

/** Waits for sweeps and background jobs; answers what is still half done at the end. */
async function settle(dataDir: string): Promise<string[]> {
  const deadline = Date.now() + SETTLE_MS
  for (;;) {
    const open = [...halfDoneRows(dataDir), ...(await leftovers(dataDir))]
    if (open.length === 0 || Date.now() > deadline) return open
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}

function read<T>(dataDir: string, query: string): T[] {
  const db = new Database(join(dataDir, 'packhorse.sqlite'), { readonly: true, timeout: 10_000 })
  try {
    return db.prepare(query).all() as T[]
  } finally {
    db.close()
  }
}

function halfDoneRows(dataDir: string): string[] {
  const repos = read<{ id: string; state: string }>(
    dataDir,
    "select id, state from repo where state <> 'ready'",
  )
  const now = new Date().toISOString()
  const jobs = read<{
    kind: string
    key: string
    lease_owner: string | null
    error: string | null
  }>(
    dataDir,
    `select kind, key, lease_owner, last_error as error from job
     where run_after <= '${now}' or lease_owner is not null or last_error is not null`,
  )
  const holds = read<{ repo_id: string; kind: string; owner: string }>(
    dataDir,
    'select repo_id, kind, owner from repo_hold',
  )
  return [
    ...repos.map((it) => `repository ${it.id} is ${it.state}`),
    ...jobs.map((it) => `job ${it.kind} ${it.key} is open, ${it.lease_owner}, ${it.error}`),
    ...holds
      .filter((it) => hasEnded(it.owner))
      .map((it) => `repository ${it.repo_id} is held for ${it.kind} by a dead process`),
  ]
}

const LEFTOVER =
  /(\.lock$|packed-refs\.new$|\/tmp_|\/\.tmp-|fast_import_crash_|packhorse-(pushes|writers)\/)/

async function leftovers(dataDir: string): Promise<string[]> {
  const found: string[] = []
  for (const directory of ['objects/incoming', 'git/trash'])
    for (const name of await readdir(join(dataDir, directory)).catch(() => []))
      found.push(`${directory}/${name} is left over`)
  const repos = await readdir(join(dataDir, 'git/repos'), { recursive: true }).catch(() => [])
  for (const path of repos) if (LEFTOVER.test(path)) found.push(`git/repos/${path} is left over`)
  return found
}

async function wrongCounters(dataDir: string): Promise<string[]> {
  const problems: string[] = []
  const repos = read<{
    id: string
    head: string | null
    commits: number
    lfs: number
    sum: number
  }>(
    dataDir,
    `select id, head_oid as head, commit_count as commits, lfs_bytes as lfs,
       coalesce((select sum(size) from lfs_link where repo_id = repo.id), 0) as sum
     from repo where state = 'ready'`,
  )
  for (const { id, head, commits, lfs, sum } of repos) {
    if (lfs !== sum) problems.push(`repository ${id}: ${lfs} LFS bytes counted, ${sum} linked`)
    if (!head) continue
    const hex = id.slice('repo_'.length)
    const path = join(dataDir, 'git/repos', hex.slice(0, 2), hex.slice(2, 4), `${id}.git`)
    const real = Number(await gitOk(path, ['--git-dir=.', 'rev-list', '--count', 'HEAD']))
    if (real !== commits)
      problems.push(`repository ${id}: ${commits} commits counted, ${real} there`)
  }
  return problems
}
