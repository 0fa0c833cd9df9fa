import { join } from 'node:path'
import { askOnce, expectOk } from '../lib/connection.js'
import type { LfsEndpoint } from '../lib/lfs-client.js'
import { cpuTicks, MemorySampler } from '../lib/memory.js'
import { run, Service } from '../lib/process.js'

export const HUB_USER = 'bench'

/** The hub as an operator starts it; the bench knows nothing of its insides. */
export class Hub {
  readonly url: string
  readonly data: string
  readonly token: string
  readonly service: Service
  readonly memory: MemorySampler

  private constructor(url: string, data: string, token: string, service: Service) {
    this.url = url
    this.data = data
    this.token = token
    this.service = service
    this.memory = new MemorySampler(service.pid)
  }

  static async start(main: string, data: string, extra: readonly string[]): Promise<Hub> {
    const env = hubEnv(data)
    const admin = async (...args: string[]) =>
      (await run(process.execPath, [main, ...args, '--data', data], { env })).stdout.trim()
    await admin('user', 'create', HUB_USER, '--password', 'bench-of-the-hub')
    const token = await admin('token', 'create', HUB_USER, '--role', 'write')
    const args = ['serve', '--host', '127.0.0.1', '--port', '0', '--data', data, ...extra]
    const service = new Service('hub', process.execPath, [main, ...args], { env })
    const url = await service.ready(async (output) => /listening on (http\S+)/.exec(output)?.[1])
    return new Hub(url.replace(/\/$/, ''), data, token, service)
  }

  id(name: string): string {
    return `${HUB_USER}/${name}`
  }

  get bearer(): Record<string, string> {
    return { Authorization: `Bearer ${this.token}` }
  }

  get basic(): Record<string, string> {
    const pair = Buffer.from(`${HUB_USER}:${this.token}`).toString('base64')
    return { Authorization: `Basic ${pair}` }
  }

  /** With the token inside, as a CI job has it. */
  withToken(url: string): string {
    return url.replace('://', `://${HUB_USER}:${this.token}@`)
  }

  lfs(repository: string): LfsEndpoint {
    return { url: `${this.url}/${this.id(repository)}.git/info/lfs`, headers: this.basic }
  }

  async post(path: string, body: unknown): Promise<string> {
    const ask = {
      method: 'POST',
      path,
      headers: { ...this.bearer, 'Content-Type': 'application/json' },
      body: Buffer.from(JSON.stringify(body)),
      keep: true,
    }
    return expectOk(await askOnce(this.url, ask), ask).body.toString()
  }

  /** Answers its directory. */
  async createRepository(name: string): Promise<string> {
    const made = await this.post('/api/repos/create', { type: 'model', name, auto_init: false })
    const { id } = JSON.parse(made) as { id: string }
    const [one = '', two = ''] = /_(..)(..)/.exec(id)?.slice(1) ?? []
    return join(this.data, 'git/repos', one, two, `${id}.git`)
  }

  /**
   * Waits until background work has calmed down, so that no row pays for the one before. After a push of many objects
   * that is longer: the hub repacks once nothing was pushed for five seconds.
   */
  async settle({ quietMs = 400, timeoutMs = 120_000 } = {}): Promise<void> {
    const deadline = performance.now() + timeoutMs
    let before = cpuTicks(this.service.pid)
    for (let quiet = 0; quiet < quietMs && performance.now() < deadline; ) {
      await new Promise((resolve) => setTimeout(resolve, 200))
      const now = cpuTicks(this.service.pid)
      // a tick is 10 ms: timers and looking for jobs
      quiet = now - before <= 1 ? quiet + 200 : 0
      before = now
    }
  }

  async stop(): Promise<void> {
    this.memory.stop()
    await this.service.stop()
  }
}

/** PACKHORSE_* is passed on, so that the same rows run against S3 or with other settings. */
function hubEnv(data: string): NodeJS.ProcessEnv {
  const own = Object.entries(process.env).filter(([name]) => name.startsWith('PACKHORSE_'))
  return {
    PATH: process.env.PATH,
    HOME: join(data, '..'),
    LC_ALL: 'C',
    NODE_ENV: 'production',
    PACKHORSE_LOG_LEVEL: 'warn',
    ...Object.fromEntries(own),
  }
}
