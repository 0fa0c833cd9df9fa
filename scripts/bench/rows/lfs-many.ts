import { createHash } from 'node:crypto'
import { cp, mkdir, rm, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Bench } from '../bench.js'
import { Random } from '../generate/random.js'
import { compare, type Measure } from '../lib/compare.js'
import type { Figures, Missing, Row } from '../lib/row.js'
import { LFS_FLOOR } from '../servers/lfs-peers.js'

const REPOSITORY = 'lfs-many'
const OBJECT_BYTES = 20_000
const against = { rudolfs: 3, giftless: 3, 'soft-serve': undefined, [LFS_FLOOR]: undefined }

/** Where git-lfs is sent, by side; or why there is nothing to send it to. */
async function endpoints(bench: Bench): Promise<Record<string, string | Missing>> {
  const found: Record<string, string | Missing> = {}
  if (bench.hub) {
    await bench.hub.createRepository(REPOSITORY).catch(() => {}) // the other row of this file may have made it
    found.hub = `${bench.hub.withToken(bench.hub.url)}/${bench.hub.id(REPOSITORY)}.git/info/lfs`
  }
  for (const name of [...bench.lfsPeerNames, LFS_FLOOR]) {
    const peer = await bench.lfsPeer(name)
    found[name] = 'missing' in peer ? peer : await peer.lfsUrl(REPOSITORY)
  }
  return found
}

/** A work repository whose head has LFS pointers and whose LFS store has the objects. */
async function withObjects(bench: Bench, count: number, seed: number): Promise<string> {
  const dir = await bench.folder('lfs-many')
  await bench.git.run(['init', '-q', dir])
  const random = new Random(seed)
  const attributes = '*.bin filter=lfs diff=lfs merge=lfs -text\n'
  const stream = [
    `commit refs/heads/main\ncommitter Bench <bench@localhost> 1700000000 +0000\ndata 0\n`,
    `M 100644 inline .gitattributes\ndata ${attributes.length}\n${attributes}\n`,
  ]
  for (let index = 0; index < count; index++) {
    const bytes = random.bytes(OBJECT_BYTES)
    const oid = createHash('sha256').update(bytes).digest('hex')
    const folder = join(dir, '.git/lfs/objects', oid.slice(0, 2), oid.slice(2, 4))
    await mkdir(folder, { recursive: true })
    await writeFile(join(folder, oid), bytes)
    const pointer = `version https://git-lfs.github.com/spec/v1\noid sha256:${oid}\nsize ${bytes.length}\n`
    stream.push(
      `M 100644 inline d${index % 100}/${index}.bin\ndata ${pointer.length}\n${pointer}\n`,
    )
  }
  await bench.git.run(['fast-import', '--quiet'], { cwd: dir, input: stream.join('') })
  await bench.git.run(['remote', 'add', 'origin', dir], { cwd: dir })
  return dir
}

/** git-lfs is sent to `url` whatever the remote is, so that only LFS traffic is in the figure. */
async function lfs(bench: Bench, dir: string, url: string, ...args: string[]): Promise<number> {
  const at = ['-c', `lfs.url=${url}`, '-c', `lfs.${url}.locksverify=false`]
  return (await bench.git.run([...at, 'lfs', ...args], { cwd: dir })).seconds
}

const countOf = (bench: Bench) => (bench.full ? 5_000 : 200)
let seed = Math.floor(Date.now() / 1000)

/** It holds objects in the memory of this process. */
async function forgetOnFloor(bench: Bench): Promise<void> {
  const floor = await bench.lfsPeer(LFS_FLOOR)
  if (!('missing' in floor)) await floor.clearObjects()
}

async function push(bench: Bench): Promise<Figures> {
  const sides: Record<string, Measure | Missing> = {}
  for (const [name, url] of Object.entries(await endpoints(bench))) {
    if (typeof url !== 'string') sides[name] = url
    else {
      sides[name] = async () => {
        if (name === LFS_FLOOR) await forgetOnFloor(bench)
        seed += 1
        const dir = await withObjects(bench, countOf(bench), seed)
        const took = await lfs(bench, dir, url, 'push', 'origin', 'main')
        await rm(dir, { recursive: true })
        return took
      }
    }
  }
  return compare(sides, { runs: bench.runs, warmUp: false })
}

async function pull(bench: Bench): Promise<Figures> {
  seed += 1
  const origin = await withObjects(bench, countOf(bench), seed)
  const prepared = await bench.folder('lfs-pull')
  await bench.git.run(['init', '-q', prepared])
  await bench.git.run(['remote', 'add', 'origin', origin], { cwd: prepared })
  await bench.git.run(['fetch', '-q', 'origin'], { cwd: prepared })
  await bench.git.run(['checkout', '-q', 'main'], { cwd: prepared })
  const sides: Record<string, Measure | Missing> = {}
  for (const [name, url] of Object.entries(await endpoints(bench))) {
    if (typeof url !== 'string') sides[name] = url
    else {
      await lfs(bench, origin, url, 'push', 'origin', 'main')
      sides[name] = async () => {
        const dir = await bench.folder('lfs-pulled')
        await cp(prepared, dir, { recursive: true })
        const took = await lfs(bench, dir, url, 'pull')
        const { size } = await stat(join(dir, 'd0/0.bin'))
        if (size !== OBJECT_BYTES) throw new Error(`${name}: git lfs pull left a pointer behind`)
        await rm(dir, { recursive: true })
        return took
      }
    }
  }
  const figures = await compare(sides, bench)
  await forgetOnFloor(bench)
  return figures
}

export const lfsManyRows: Row[] = [
  {
    name: 'lfs-push-many',
    what: 'git lfs push of many new objects of 20 KB',
    unit: 's',
    against,
    run: push,
  },
  {
    name: 'lfs-pull-many',
    what: 'git lfs pull of many objects of 20 KB',
    unit: 's',
    against,
    run: pull,
  },
]
