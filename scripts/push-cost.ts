/*
 * What the hub's hooks and metadata cost on a small push: the same one-file commits, sent as prepared receive-pack
 * requests, once through the hub and once through the same HTTP path with a bare receive-pack (no hooks, no records).
 *   node --import tsx scripts/push-cost.ts [pushes] [refs…]      default: 60 pushes with 1, 1000 and 10000 refs
 */
import { execFileSync } from 'node:child_process'
import { appendFile, mkdtemp, rm } from 'node:fs/promises'
import { Agent, type IncomingMessage, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pino } from 'pino'
import { readConfig } from '../src/config/config.js'
import { gitSmart } from '../src/dialects/git-smart/index.js'
import { issueToken } from '../src/domain/accounts/login.js'
import { HUB_ACTOR } from '../src/domain/events/events.js'
import type { Pushes } from '../src/domain/refs/pushes.js'
import type { Repo } from '../src/domain/types.js'
import { authenticate } from '../src/http/caller.js'
import { listen, newApp } from '../src/http/server.js'
import { startHub } from '../src/hub.js'
import { FLUSH, pktLine } from '../src/protocol/pkt-line.js'
import type { Domain } from '../src/services.js'

const pushes = Number(process.argv[2] ?? 60)
const refCounts = process.argv.length > 3 ? process.argv.slice(3).map(Number) : [1, 1_000, 10_000]
const agent = new Agent({ keepAlive: true })
const silent = pino({ level: 'silent' })

interface Push {
  readonly body: Buffer
}

const dir = await mkdtemp(join(tmpdir(), 'packhorse-push-cost-'))
try {
  const config = readConfig({ PACKHORSE_DATA: join(dir, 'data'), PACKHORSE_PORT: '0' })
  const hub = await startHub(config, silent)
  const bare = await startBare(hub.domain)
  const user = await hub.domain.accounts.createUser({
    name: 'bench',
    password: undefined,
    email: undefined,
    isSiteAdmin: false,
  })
  const token = await issueToken(hub.domain.stores.accounts, {
    userId: user.id,
    name: 'bench',
    role: 'write',
  })
  for (const refs of refCounts) {
    const prepared = prepare(join(dir, `work-${refs}`), pushes + 5)
    const sides = { hub: hub.url, bare: bare.url }
    const times: Record<keyof typeof sides, number[]> = { hub: [], bare: [] }
    for (const side of ['hub', 'bare'] as const) {
      const repo = await makeRepo(hub.domain, `${side}-${refs}`, refs, side === 'bare')
      await hub.domain.recorder.sync(repo)
    }
    for (const [round, push] of prepared.entries())
      for (const side of ['hub', 'bare'] as const) {
        const ms = await send(`${sides[side]}/bench/${side}-${refs}.git`, token.secret, push)
        if (round >= 5) times[side].push(ms)
      }
    const [a, b] = [quantile(times.hub, 0.5), quantile(times.bare, 0.5)]
    // a busy machine stretches the medians; the fastest tenth shows what the work itself costs
    const fast = quantile(times.hub, 0.1) - quantile(times.bare, 0.1)
    process.stdout.write(
      `${refs} refs: hub ${a.toFixed(1)} ms, bare receive-pack ${b.toFixed(1)} ms, over it ${(a - b).toFixed(1)} ms (medians of ${pushes}; fastest tenth: over it ${fast.toFixed(1)} ms)\n`,
    )
  }
  await bare.close()
  await hub.close()
} finally {
  agent.destroy()
  await rm(dir, { recursive: true, force: true })
}

async function startBare(domain: Domain): Promise<{ url: string; close(): Promise<void> }> {
  const plain = {
    receive: (repo: Repo, _right: unknown, _actor: unknown, io: Parameters<Pushes['receive']>[3]) =>
      domain.git.runService(repo.id, { service: 'receive-pack', ...io }),
  } as unknown as Pushes
  const app = newApp({ log: silent, trustProxy: 'loopback' } as never)
  app.use(authenticate(domain.login, () => 'http://localhost'))
  const own = { pushes: plain, createOnPush: false, baseUrl: () => '', agent: 'bare' }
  app.use(gitSmart({ ...domain, ...own }).router)
  const { server, url } = await listen(app, '127.0.0.1', 0)
  return {
    url,
    close: async () => {
      server.close()
      server.closeAllConnections()
    },
  }
}

async function makeRepo(domain: Domain, name: string, refs: number, bare: boolean): Promise<Repo> {
  const repo = await domain.registry.create(
    { kind: 'model', namespace: 'bench', name, visibility: 'public', start: 'unborn' },
    { ...HUB_ACTOR },
  )
  const path = domain.git.directory(repo.id)
  if (bare) await appendFile(join(path, 'config'), '[core]\n\thooksPath = /dev/null\n')
  git(path, ['fast-import', '--quiet'], base())
  const tip = git(path, ['rev-parse', 'refs/heads/main']).trim()
  const lines = Array.from({ length: refs - 1 }, (_, n) => `create refs/tags/v${n} ${tip}\n`)
  git(path, ['update-ref', '--stdin'], lines.join(''))
  git(path, ['pack-refs', '--all'])
  return repo
}

function base(): string {
  const files = Array.from(
    { length: 200 },
    (_, n) => `M 100644 inline dir-${n % 10}/${n}.txt\ndata 6\nhello\n`,
  )
  return `commit refs/heads/main\ncommitter B <b@x> 1700000000 +0000\ndata 1\n0\n${files.join('')}\n`
}

function prepare(path: string, count: number): Push[] {
  execFileSync('git', ['init', '-q', '--bare', path])
  git(path, ['fast-import', '--quiet'], base())
  const made: Push[] = []
  for (let n = 0; n < count; n += 1) {
    const old = git(path, ['rev-parse', 'refs/heads/main']).trim()
    const commit = `commit refs/heads/main\ncommitter B <b@x> ${1_700_000_001 + n} +0000\ndata 1\n1\nfrom refs/heads/main^0\nM 100644 inline dir-1/new.txt\ndata <<E\n${n}\nE\n\n`
    git(path, ['fast-import', '--quiet'], commit)
    const now = git(path, ['rev-parse', 'refs/heads/main']).trim()
    const pack = execFileSync('git', ['pack-objects', '--revs', '--stdout', '--thin', '-q'], {
      cwd: path,
      input: `${now}\n^${old}\n`,
    })
    const command = `${old} ${now} refs/heads/main\0 report-status side-band-64k object-format=sha1 agent=bench\n`
    made.push({ body: Buffer.concat([pktLine(command), FLUSH, pack]) })
  }
  return made
}

function git(cwd: string, args: string[], input = ''): string {
  return execFileSync('git', args, { cwd, input, env: { ...process.env, GIT_DIR: '.' } }).toString()
}

async function send(url: string, token: string, { body }: Push): Promise<number> {
  const from = performance.now()
  const reply = await new Promise<IncomingMessage>((resolve, reject) => {
    const req = request(`${url}/git-receive-pack`, {
      agent,
      method: 'POST',
      headers: {
        Authorization: `Bearer ${token}`,
        'Content-Type': 'application/x-git-receive-pack-request',
        'Content-Length': body.length,
      },
    })
    req.once('response', resolve).once('error', reject)
    req.end(body)
  })
  let text = ''
  for await (const chunk of reply) text += chunk
  const ms = performance.now() - from
  if (!text.includes('ok refs/heads/main'))
    throw new Error(`push failed: ${reply.statusCode} ${text}`)
  return ms
}

function quantile(values: number[], at: number): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * at)] ?? Number.NaN
}
