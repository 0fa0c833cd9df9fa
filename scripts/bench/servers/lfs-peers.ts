import { mkdir, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { exists } from '../lib/exists.js'
import { freePort, whenAnswering } from '../lib/free-port.js'
import { Service } from '../lib/process.js'
import type { SoftServe } from './soft-serve.js'

export interface LfsPeer {
  readonly name: string
  /** Where git-lfs finds the repository of that name, which is made when it is not there. */
  lfsUrl(name: string): Promise<string>
  /** Forgets the bytes of all objects, so that repeated uploads of large ones do not fill the disk. */
  clearObjects(): Promise<void>
  stop(): Promise<void>
}

type Starter = (installed: string, dir: string) => Promise<LfsPeer>

const started = (service: Service, name: string, url: string, objects: string): LfsPeer => ({
  name,
  lfsUrl: async (repository) => `${url}/${repository}`,
  async clearObjects() {
    await rm(objects, { recursive: true, force: true })
    await mkdir(objects)
  },
  stop: () => service.stop(),
})

/** It is a git server as well and has been started as one. */
export const softServeLfs = (softServe: SoftServe): LfsPeer => ({
  name: 'soft-serve',
  async lfsUrl(repository) {
    await softServe.create(repository)
    return softServe.lfsUrl(repository)
  },
  clearObjects: () => softServe.clearObjects(),
  stop: async () => {},
})

async function up(service: Service, url: string): Promise<void> {
  try {
    await service.ready(() => whenAnswering(`${url}/`))
  } catch (error) {
    await service.stop()
    throw error
  }
}

const rudolfs: Starter = async (installed, dir) => {
  const port = await freePort()
  const args = [
    '--host',
    `127.0.0.1:${port}`,
    '--log-level',
    'error',
    'local',
    '--path',
    join(dir, 'rudolfs'),
  ]
  const service = new Service('rudolfs', join(installed, 'bin/rudolfs'), args)
  const url = `http://127.0.0.1:${port}`
  await up(service, url)
  return started(service, 'rudolfs', `${url}/api/bench`, join(dir, 'rudolfs'))
}

const giftless: Starter = async (installed, dir) => {
  const home = join(dir, 'giftless')
  await mkdir(home, { recursive: true })
  const conf = join(home, 'giftless.yaml')
  await writeFile(
    conf,
    `AUTH_PROVIDERS:
  - giftless.auth.allow_anon:read_write
TRANSFER_ADAPTERS:
  basic:
    factory: giftless.transfer.basic_streaming:factory
    options:
      storage_class: giftless.storage.local_storage:LocalStorage
      storage_options:
        path: ${home}/objects
PRE_AUTHORIZED_ACTION_PROVIDER:
  factory: giftless.auth.jwt:factory
  options:
    algorithm: HS256
    # Without a fixed key each worker makes its own and refuses what the other one signed.
    private_key: a-key-for-the-bench-that-guards-nothing
    default_lifetime: 3600
    key_id: giftless-internal-jwt-key
`,
  )
  // Two workers: as many as the bench's machine has cores, giftless being a plain WSGI application.
  const args = [
    '-w',
    '2',
    '--threads',
    '4',
    '-b',
    '127.0.0.1:0', // it says which: a port that was free a moment ago may be anybody's by the time that Python is up
    '--timeout',
    '300',
    'giftless.wsgi_entrypoint:app',
  ]
  const env = { PATH: process.env.PATH, HOME: home, GIFTLESS_CONFIG_FILE: conf }
  const service = new Service('giftless', join(installed, 'bin/gunicorn'), args, { env, cwd: home })
  const url = await service
    .ready(async (output) => /Listening at: (http:\S+)/.exec(output)?.[1])
    .catch((error) => service.stop().then(() => Promise.reject(error)))
  await up(service, url)
  return started(service, 'giftless', `${url}/bench`, join(home, 'objects'))
}

const starters: Record<string, { file: string; start: Starter }> = {
  rudolfs: { file: 'bin/rudolfs', start: rudolfs },
  giftless: { file: 'bin/gunicorn', start: giftless },
}

/** The floor is no peer: it shows what git-lfs itself takes. */
export const LFS_PEERS = [...Object.keys(starters), 'soft-serve']
export const LFS_FLOOR = 'floor'

/** Undefined when it was not installed by peers.sh. */
export async function startLfsPeer(
  name: string,
  peers: string,
  dir: string,
): Promise<LfsPeer | undefined> {
  const starter = starters[name]
  const installed = join(peers, name)
  if (!starter || !(await exists(join(installed, starter.file)))) return undefined
  return starter.start(installed, dir)
}
