/**
 * What reading costs a hub by itself: small files and HEADs per second over kept connections, and pages of lists over many
 * repositories. node --import tsx scripts/read-cost.ts [--repos 100000] [--seconds 4]
 */
import { execFile } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { Agent, request } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs, promisify } from 'node:util'
import Database from 'better-sqlite3'
import { pino } from 'pino'
import { readConfig } from '../src/config/config.js'
import { issueToken } from '../src/domain/accounts/login.js'
import { startHub } from '../src/hub.js'

const { values } = parseArgs({
  options: {
    repos: { type: 'string', default: '100000' },
    seconds: { type: 'string', default: '4' },
  },
})
const run = promisify(execFile)
const REPOS = Number(values.repos)
const MS = Number(values.seconds) * 1000
const FILES = 1_000
const CONNECTIONS = 8

const dir = mkdtempSync(join(tmpdir(), 'packhorse-read-cost-'))
const env = {
  PACKHORSE_PORT: '0',
  PACKHORSE_DATA: join(dir, 'data'),
  PACKHORSE_LOG_LEVEL: 'silent',
}
const hub = await startHub(readConfig(env), pino({ level: 'silent' }))
const agent = new Agent({ keepAlive: true, maxSockets: CONNECTIONS })

function ask(
  path: string,
  method = 'GET',
): Promise<{ status: number; bytes: number; link: string }> {
  return new Promise((resolve, reject) => {
    const req = request(`${hub.url}${path}`, { agent, method }, (res) => {
      let bytes = 0
      res.on('data', (chunk: Buffer) => {
        bytes += chunk.length
      })
      res.on('end', () =>
        resolve({ status: res.statusCode ?? 0, bytes, link: String(res.headers.link ?? '') }),
      )
    })
    req.on('error', reject).end()
  })
}

/** The client is a process of its own, so that the CPU time measured here is the hub's alone. */
const CLIENT = `
const { Agent, request } = require('node:http')
const [url, method, paths, ms, connections] = JSON.parse(process.argv[1])
const agent = new Agent({ keepAlive: true, maxSockets: connections })
let n = 0
const ask = (path) => new Promise((resolve, reject) => {
  request(url + path, { agent, method }, (res) => {
    if (res.statusCode !== 200) reject(new Error(path + ' ' + res.statusCode))
    res.resume().on('end', resolve)
  }).on('error', reject).end()
})
const end = performance.now() + ms
Promise.all(Array.from({ length: connections }, async () => {
  while (performance.now() < end) await ask(paths[n++ % paths.length])
})).then(() => { console.log(n); agent.destroy() })
`

async function rate(label: string, method: string, paths: readonly string[]): Promise<void> {
  const cpu = process.cpuUsage()
  const start = performance.now()
  const order = JSON.stringify([hub.url, method, paths, MS, CONNECTIONS])
  const n = Number((await run(process.execPath, ['-e', CLIENT, order])).stdout)
  const seconds = (performance.now() - start) / 1000
  const { user, system } = process.cpuUsage(cpu)
  const busy = (user + system) / 1e6
  console.log(
    `${label}: ${Math.round(n / seconds)}/s with ${(busy / seconds).toFixed(2)} cores = ${Math.round(n / busy)} a core-second`,
  )
}

async function times(label: string, path: string, runs = 15): Promise<void> {
  const ms: number[] = []
  let bytes = 0
  for (let n = 0; n < runs; n += 1) {
    const start = performance.now()
    const got = await ask(path)
    if (got.status !== 200) throw new Error(`${label}: ${got.status}`)
    ms.push(performance.now() - start)
    bytes = got.bytes
  }
  ms.sort((a, b) => a - b)
  const at = (q: number) => (ms[Math.floor((ms.length - 1) * q)] ?? 0).toFixed(1)
  console.log(`${label}: p50 ${at(0.5)} ms, worst ${at(1)} ms, ${bytes} bytes`)
}

async function makeFiles(): Promise<void> {
  const user = await hub.domain.accounts.createUser({
    name: 'ada',
    password: 'ada-password-1',
    email: 'ada@example.org',
    isSiteAdmin: false,
  })
  const { secret } = await issueToken(hub.domain.stores.accounts, {
    userId: user.id,
    name: 'bench',
    role: 'write',
  })
  const reply = await fetch(`${hub.url}/api/repos/create`, {
    method: 'POST',
    headers: { Authorization: `Bearer ${secret}`, 'Content-Type': 'application/json' },
    body: JSON.stringify({ name: 'small' }),
  })
  if (!reply.ok) throw new Error(await reply.text())
  const url = new URL(`${hub.url}/ada/small.git`)
  url.username = 'ada'
  url.password = secret
  // not synchronously: the hub that git talks to lives in this process
  const git = (...args: string[]) =>
    run('git', ['-c', 'user.name=b', '-c', 'user.email=b@example.org', ...args], {
      cwd: join(dir, 'work'),
      timeout: 60_000,
    })
  mkdirSync(join(dir, 'work'))
  await git('clone', url.toString(), '.')
  for (let n = 0; n < FILES; n += 1) {
    mkdirSync(join(dir, 'work', `d${n % 20}`), { recursive: true })
    writeFileSync(
      join(dir, 'work', `d${n % 20}/f${n}.json`),
      JSON.stringify({ n, text: 'x'.repeat(500) }),
    )
  }
  await git('add', '-A')
  await git('commit', '-qm', 'files')
  await git('push', '-q')
}

/** Repositories as rows only: lists never look further. Every tenth tag is rare, every second common. */
function makeRows(): void {
  const db = new Database(join(dir, 'data', 'packhorse.sqlite'))
  const owner = db.prepare('select id from namespace limit 1').pluck().get() as number
  const repo = db
    .prepare(`insert into repo (id, kind, namespace_id, name, name_key, visibility, default_branch, object_format,
    state, created_at, updated_at, head_at, downloads, likes, trending_score)
    values (?, 'model', ?, ?, ?, ?, 'main', 'sha1', 'ready', ?, ?, ?, ?, ?, ?) returning seq`)
    .pluck()
  const card = db.prepare(
    `insert into repo_card (seq, card_data, formats, tags, pipeline_tag, library_name) values (?, ?, '{}', ?, ?, ?)`,
  )
  const tag = db.prepare(
    `insert into repo_tag (kind, tag, seq, type) values ('model', ?, ?, 'other')`,
  )
  db.transaction(() => {
    for (let n = 0; n < REPOS; n += 1) {
      const at = new Date(1.7e12 + ((n * 7_919) % REPOS) * 1000).toISOString()
      const name = `model-${(n * 2_654_435_761) % 2 ** 32}-${n % 977}`
      const seq = repo.get(
        `repo_${n.toString(16).padStart(12, '0')}`,
        owner,
        name,
        name.replace(/[-_]/g, ''),
        n % 50 ? 'public' : 'private',
        at,
        at,
        at,
        n % 1_013,
        n % 97,
        (n % 31) / 7,
      ) as number
      const tags = ['transformers', `license:l${n % 5}`, `rare-${n % 10_000}`, `lang-${n % 50}`]
      card.run(seq, '{"license":"mit"}', JSON.stringify(tags), 'text-generation', 'transformers')
      for (const it of tags) tag.run(it, seq)
    }
  })()
  db.close()
}

try {
  await makeFiles()
  const files = Array.from(
    { length: FILES },
    (_, n) => `/ada/small/resolve/main/d${n % 20}/f${n}.json`,
  )
  await rate('resolve, 1,000 files in turn', 'GET', files)
  await rate('resolve, 1,000 files in turn, warm', 'GET', files)
  await rate('resolve, one file', 'GET', files.slice(0, 1))
  await rate('resolve HEAD', 'HEAD', files)
  await rate('info with 1,001 siblings', 'GET', ['/api/models/ada/small'])
  await times('tree, 1,021 entries', '/api/models/ada/small/tree/main?recursive=true')
  const start = performance.now()
  makeRows()
  console.log(`${REPOS} repositories made in ${Math.round(performance.now() - start)} ms`)
  for (const [label, query] of [
    ['newest 50', ''],
    ['by downloads, 100', 'sort=downloads&limit=100'],
    ['by lastModified, 1,000', 'sort=lastModified&limit=1000'],
    ['by trendingScore, full of cards', 'sort=trendingScore&limit=100&cardData=true'],
    ['common tag', 'filter=transformers&sort=likes&limit=100'],
    ['two tags', 'filter=transformers&filter=lang-7&sort=downloads&limit=100'],
    ['rare tag', 'filter=rare-77&sort=downloads&limit=100'],
    ['no such tag', 'filter=none&sort=downloads'],
    ['rare search', 'search=model-12345&sort=downloads&limit=100'],
    ['common search', 'search=model&sort=downloads&limit=100'],
    ['two letters', 'search=zz&sort=downloads&limit=100'],
    ['author of all', 'author=ada&sort=downloads&limit=100'],
    ['author and tag', 'author=ada&filter=rare-77'],
    ['likes30d', 'sort=likes30d&limit=100'],
    ['id', 'sort=id&direction=1&limit=100'],
    ['num_parameters', 'sort=num_parameters&limit=100'],
    ['whole list', 'limit=100000'],
  ] as const)
    await times(
      `list of ${REPOS}: ${label}`,
      `/api/models?${query}`,
      label === 'whole list' ? 3 : 15,
    )
  const { link } = await ask('/api/models?sort=downloads&limit=50000')
  const next = /<http:\/\/[^/]*(.*)>/.exec(link)?.[1] ?? ''
  await times(`list of ${REPOS}: page behind 50,000`, next.replace('limit=50000', 'limit=100'))
  await times('tags by type', '/api/models-tags-by-type')
} finally {
  agent.destroy()
  await hub.close()
  rmSync(dir, { recursive: true, force: true })
}
