import { rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from '../bench.js'
import { compare, type Measure, seconds } from '../lib/compare.js'
import type { Row } from '../lib/row.js'
import { type GitSide, gitPeers } from '../lib/sides.js'
import { fetchAsk, fetchPack } from '../lib/smart-http.js'
import { FLOOR, onEverySide, onEverySideAndFloor } from './clone.js'

const MAIN = 'main'
const BEHIND = 100
const against = { ...gitPeers, 'http-backend': 1, [FLOOR]: undefined }

/** A bare repository that truly lacks the last commits of main and has everything else. */
async function behind(bench: Bench): Promise<string> {
  const { plain } = await bench.source()
  const dir = join(await bench.folder('behind'), 'behind.git')
  await bench.git.run(['init', '-q', '--bare', dir])
  const old = await bench.git.line(plain, 'rev-parse', `main~${BEHIND}`)
  // Any commit may be asked of a local source by the branch made for it; the cache itself stays as it is.
  const bridge = join(await bench.folder('behind'), 'bridge.git')
  await bench.git.run(['clone', '-q', '--mirror', '--local', plain, bridge])
  await bench.git.run(['update-ref', 'refs/heads/main', old], { cwd: bridge })
  await bench.git.run(['fetch', '-q', bridge, '+refs/*:refs/*'], { cwd: dir })
  await rm(bridge, { recursive: true })
  return dir
}

function realFetch(bench: Bench, prepared: string) {
  return (side: GitSide): Measure =>
    async () => {
      const dir = join(await bench.folder('fetch'), 'r.git')
      await bench.git.run(['clone', '-q', '--mirror', '--local', prepared, dir])
      const fetch = ['fetch', '-q', side.remote(MAIN), '+refs/heads/*:refs/heads/*']
      const took = (await bench.git.run(fetch, { cwd: dir })).seconds
      await rm(dir, { recursive: true })
      return took * 1000
    }
}

async function rawFetch(bench: Bench): Promise<(side: GitSide) => Measure> {
  const { plain } = await bench.source()
  const [tip = '', old = ''] = (
    await bench.git.line(plain, 'rev-parse', 'main', `main~${BEHIND}`)
  ).split('\n')
  return (side) => async () =>
    (await seconds(() => fetchPack(side, fetchAsk(side, MAIN, { wants: [tip], haves: [old] })))) *
    1000
}

export const fetchRows: Row[] = [
  {
    name: 'fetch-100',
    what: 'incremental fetch, 100 commits behind, with real git',
    unit: 'ms',
    against,
    run: async (bench) => {
      const prepared = await behind(bench)
      return compare(await onEverySideAndFloor(bench, MAIN, realFetch(bench, prepared)), bench)
    },
  },
  {
    name: 'fetch-100-server',
    what: 'incremental fetch, 100 commits behind, the pack dropped',
    unit: 'ms',
    against,
    run: async (bench) => compare(await onEverySide(bench, MAIN, await rawFetch(bench)), bench),
  },
]
