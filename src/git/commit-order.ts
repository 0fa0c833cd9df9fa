import { LRUCache } from 'lru-cache'
import { KeyedLock } from '../lib/keyed-lock.js'
import { gitRecords } from './spawn.js'

/** The kept orders of all repositories together. 100,000 commits are 2 MB. */
const MAX_BYTES = 32 * 1024 * 1024
/** Pages beyond are left to git, which walks for each of them. */
const MAX_COMMITS = 1_000_000
const FIRST_WALK = 4_096
/** So many commits on top of a known tip are told apart from it instead of walking anew. */
const MAX_NEW = 1_000

/**
 * `git rev-list`: commits reachable from `tip` and not from `not`, newest first, behind the first `skip`; with `parents` a
 * line is the commit and its parents.
 */
export type Walk = (
  directory: string,
  tip: string,
  options: { skip: number; limit: number; not?: string; parents?: boolean },
) => AsyncIterable<string>

export const walkCommits: Walk = (cwd, tip, { skip, limit, not, parents }) => {
  const args = [
    ...(parents ? ['--parents'] : []),
    `--skip=${skip}`,
    `--max-count=${limit}`,
    '--end-of-options',
    tip,
    ...(not ? [`^${not}`] : []),
  ]
  return gitRecords('rev-list', args, { cwd, separator: '\n' })
}

interface Order {
  /** Oids as bytes, in git's order. */
  readonly oids: Buffer
  /** Nothing follows. */
  readonly complete: boolean
}

/**
 * In which order git lists the commits of a tip, kept so that a deep page costs no walk. It is learnt as far as somebody
 * asked, twice as far each time, and goes over to a new tip whose history is a straight line on top of a known one. It
 * depends on the tip alone, so nothing of it gets stale.
 */
export class CommitOrders {
  readonly #walk: Walk
  readonly #orders = new LRUCache<string, Order>({
    maxSize: MAX_BYTES,
    sizeCalculation: (it) => it.oids.length + 200,
  })
  readonly #lastTip = new LRUCache<string, string>({ max: 10_000 })
  readonly #turns = new KeyedLock()

  constructor(walk: Walk) {
    this.#walk = walk
  }

  /** Undefined when the page lies deeper than orders are kept. */
  async page(
    directory: string,
    tip: string,
    { skip, limit }: { skip: number; limit: number },
  ): Promise<string[] | undefined> {
    const end = skip + limit
    if (end > MAX_COMMITS) return undefined
    const order = await this.#turns.run(tip, () => this.#learn(directory, tip, end))
    const width = tip.length / 2
    const oids: string[] = []
    for (let at = skip * width; at < Math.min(end * width, order.oids.length); at += width)
      oids.push(order.oids.toString('hex', at, at + width))
    return oids
  }

  async #learn(directory: string, tip: string, end: number): Promise<Order> {
    let order = this.#orders.get(tip) ?? (await this.#fromLastTip(directory, tip))
    const width = tip.length / 2
    const known = (order?.oids.length ?? 0) / width
    if (!order || (!order.complete && known < end)) {
      const goal = Math.min(MAX_COMMITS, Math.max(FIRST_WALK, 2 * known, end))
      const more = this.#walk(directory, tip, { skip: known, limit: goal - known })
      const oids = await collect(more, order ? [order.oids] : [])
      order = { oids, complete: oids.length < goal * width }
    }
    this.#orders.set(tip, order)
    this.#lastTip.set(directory, tip)
    return order
  }

  /** Usual pushes: a few commits, each with one parent, and the last one's is the tip that was known. */
  async #fromLastTip(directory: string, tip: string): Promise<Order | undefined> {
    const last = this.#lastTip.get(directory)
    const known = last === undefined ? undefined : this.#orders.get(last)
    if (!last || !known) return undefined
    const lines: string[] = []
    const options = { skip: 0, limit: MAX_NEW + 1, not: last, parents: true }
    for await (const line of this.#walk(directory, tip, options)) lines.push(line)
    if (lines.length === 0 || lines.length > MAX_NEW) return undefined
    const chain = lines.map((it) => it.split(' '))
    const straight = chain.every(
      ([, parent, other], n) => other === undefined && parent === (chain[n + 1]?.[0] ?? last),
    )
    if (!straight) return undefined
    const oids = chain.map(([oid = '']) => Buffer.from(oid, 'hex'))
    return { oids: Buffer.concat([...oids, known.oids]), complete: known.complete }
  }
}

async function collect(lines: AsyncIterable<string>, parts: Buffer[]): Promise<Buffer> {
  let batch: string[] = []
  for await (const oid of lines) {
    batch.push(oid)
    if (batch.length < 1_000) continue
    parts.push(Buffer.from(batch.join(''), 'hex'))
    batch = []
  }
  return Buffer.concat([...parts, Buffer.from(batch.join(''), 'hex')])
}
