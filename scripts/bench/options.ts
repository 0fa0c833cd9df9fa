import { parseArgs } from 'node:util'
import { type RepositorySize, sizes } from './generate/repository.js'

export interface Options {
  readonly scale: keyof typeof sizes
  readonly runs: number
  readonly only: readonly string[]
  /** Servers beside the hub; undefined = all. */
  readonly peers: readonly string[] | undefined
  readonly peersOnly: boolean
  readonly json: string | undefined
  readonly tmp: string | undefined
  readonly hub: string | undefined
  readonly hubArgs: readonly string[]
  readonly fsck: boolean
  readonly list: boolean
  readonly repositories: number
  readonly repository: RepositorySize
  /** Sizes that the rows are repeated with, in this order; empty = the one size of the scale. */
  readonly grow: readonly Growth[]
}

export const growthAxes = ['refs', 'commits', 'files'] as const
export type GrowthAxis = (typeof growthAxes)[number]

export interface Growth {
  readonly axis: GrowthAxis
  readonly factor: number
}

/** How the cost grows is shown beside one peer. */
const GROWTH_PEERS: readonly string[] = ['http-backend']

export const HELP = `npm run bench -- [options]

  --scale small|full   10 MB / 11,000 objects / 100 refs, or 300 MB / 420,000 / 1,000 (default full; growth: what
                       --grow begins with, 500 commits, 1,000 files, 1,000 refs)
  --runs N             samples per side and row, the median counts (default 5, small 3)
  --only ROW,ROW       these rows, or all whose name starts so (see --list)
  --list               names the rows and ends
  --peers-only         without the hub: proves the rig
  --peers NAME,NAME    of the git and LFS servers only these; nginx static and what is no server stay
  --json FILE          also writes the figures there
  --commits N --files N --refs N --blob-bytes N    another size of the generated repository
  --repositories N     repositories for the list rows (default 100 small, 100000 full)
  --grow AXIS=1,10,100 repeats the rows with that many times the commits, files or refs, the hub beside http-backend
  --grow all           the same with 1, then 10 and 100 times each of them; both take the growth scale and rows for it
  --hub FILE           another build's main.js (default dist/main.js)
  "--hub-args=..."     more arguments for serve, for example "--hub-args=--workers 2"
  --tmp DIR            temporary files (default: the system's); the full scale needs 40 GB there
  --no-fsck            leaves out git fsck of the hub's repositories at the end
`

export function readOptions(argv: readonly string[]): Options | 'help' {
  const { values } = parseArgs({
    args: [...argv],
    allowNegative: true,
    options: {
      help: { type: 'boolean', short: 'h' },
      scale: { type: 'string' },
      runs: { type: 'string' },
      only: { type: 'string', default: '' },
      list: { type: 'boolean', default: false },
      'peers-only': { type: 'boolean', default: false },
      peers: { type: 'string' },
      json: { type: 'string' },
      tmp: { type: 'string' },
      commits: { type: 'string' },
      files: { type: 'string' },
      refs: { type: 'string' },
      'blob-bytes': { type: 'string' },
      repositories: { type: 'string' },
      grow: { type: 'string' },
      hub: { type: 'string' },
      'hub-args': { type: 'string', default: '' },
      fsck: { type: 'boolean', default: true },
    },
  })
  if (values.help) return 'help'
  const grow = values.grow === undefined ? [] : readGrowth(values.grow)
  const scale = readScale(values.scale ?? (grow.length > 0 ? 'growth' : 'full'))
  const base = sizes[scale]
  return {
    scale,
    runs: count('--runs', values.runs, scale === 'full' ? 5 : 3),
    only: values.only.split(',').filter(Boolean),
    peersOnly: values['peers-only'],
    peers: values.peers?.split(',').filter(Boolean) ?? (grow.length > 0 ? GROWTH_PEERS : undefined),
    json: values.json,
    tmp: values.tmp,
    hub: values.hub,
    hubArgs: values['hub-args'].split(' ').filter(Boolean),
    fsck: values.fsck,
    list: values.list,
    repositories: count('--repositories', values.repositories, scale === 'full' ? 100_000 : 100),
    repository: {
      ...base,
      commits: count('--commits', values.commits, base.commits),
      files: count('--files', values.files, base.files),
      refs: count('--refs', values.refs, base.refs),
      blobBytes: count('--blob-bytes', values['blob-bytes'], base.blobBytes),
    },
    grow,
  }
}

function count(flag: string, value: string | undefined, otherwise: number): number {
  if (value === undefined) return otherwise
  const number = Number(value)
  if (!Number.isInteger(number) || number < 1)
    throw new Error(`${flag} ${value}: a whole number from 1`)
  return number
}

function readScale(value: string): Options['scale'] {
  const scale = Object.keys(sizes).find((name) => name === value)
  if (!scale) throw new Error(`--scale ${value}: one of ${Object.keys(sizes).join(', ')}`)
  return scale as Options['scale']
}

function readGrowth(value: string): Growth[] {
  if (value === 'all') {
    const grown = growthAxes.flatMap((axis) => [10, 100].map((factor) => ({ axis, factor })))
    return [{ axis: 'refs', factor: 1 }, ...grown]
  }
  const [name, list = '1,10,100'] = value.split('=')
  const axis = growthAxes.find((it) => it === name)
  if (!axis) throw new Error(`--grow ${value}: all, or one of ${growthAxes.join(', ')}`)
  return list.split(',').map((factor) => ({ axis, factor: count('--grow', factor, 1) }))
}
