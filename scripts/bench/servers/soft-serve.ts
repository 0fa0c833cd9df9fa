import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { askOnce, expectOk } from '../lib/connection.js'
import { copyInto } from '../lib/copy-into.js'
import { exists } from '../lib/exists.js'
import { freePort, whenAnswering } from '../lib/free-port.js'
import { Service } from '../lib/process.js'

/** soft-serve with git and LFS over HTTP; everybody may read, write and create, so that no password costs it time. */
export class SoftServe {
  readonly url: string
  readonly #data: string
  readonly #service: Service

  private constructor(url: string, data: string, service: Service) {
    this.url = url
    this.#data = data
    this.#service = service
  }

  /** Undefined when it was not installed by peers.sh. */
  static async start(installed: string, data: string): Promise<SoftServe | undefined> {
    const command = join(installed, 'bin/soft')
    if (!(await exists(command))) return undefined
    await mkdir(data, { recursive: true })
    const port = await freePort()
    const url = `http://127.0.0.1:${port}`
    const env = {
      PATH: process.env.PATH,
      HOME: data,
      LC_ALL: 'C',
      SOFT_SERVE_DATA_PATH: data,
      SOFT_SERVE_HTTP_LISTEN_ADDR: `127.0.0.1:${port}`,
      SOFT_SERVE_HTTP_PUBLIC_URL: url,
      SOFT_SERVE_SSH_ENABLED: 'false',
      SOFT_SERVE_GIT_ENABLED: 'false',
      SOFT_SERVE_STATS_ENABLED: 'false',
      SOFT_SERVE_ANON_ACCESS: 'admin-access',
      SOFT_SERVE_ALLOW_KEYLESS: 'true',
    }
    const service = new Service('soft-serve', command, ['serve'], { env })
    try {
      await service.ready(() => whenAnswering(`${url}/`))
    } catch (error) {
      await service.stop()
      throw error
    }
    return new SoftServe(url, data, service)
  }

  /** It makes the repository itself when somebody begins to push; with a second call nothing happens. */
  async create(repository: string): Promise<string> {
    const ask = { path: `/${repository}.git/info/refs?service=git-receive-pack` }
    expectOk(await askOnce(this.url, ask), ask)
    const dir = join(this.#data, 'repos', `${repository}.git`)
    if (!(await exists(dir))) throw new Error(`soft-serve has no ${dir}`)
    return dir
  }

  /** A copy of a bare repository with one pack and packed refs, in the directory that soft-serve made. */
  async copy(repository: string, source: string): Promise<string> {
    const dir = await this.create(repository)
    await copyInto(dir, source)
    await writeFile(join(dir, 'HEAD'), 'ref: refs/heads/main\n')
    return dir
  }

  lfsUrl(repository: string): string {
    return `${this.url}/${repository}.git/info/lfs`
  }

  /** Forgets the bytes of all LFS objects, so that repeated uploads do not fill the disk. */
  async clearObjects(): Promise<void> {
    await rm(join(this.#data, 'lfs'), { recursive: true, force: true })
  }

  stop(): Promise<void> {
    return this.#service.stop()
  }
}
