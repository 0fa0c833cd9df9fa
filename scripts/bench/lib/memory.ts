import { readdirSync, readFileSync } from 'node:fs'
import { MB } from './stats.js'

export interface Peak {
  /** The hub's own processes: the one started and the workers it forks. */
  hubMB: number
  /** What they run: git and the like. */
  childrenMB: number
}

function read(path: string): string {
  try {
    return readFileSync(path, 'latin1')
  } catch {
    return '' // a process may end between listing and reading it
  }
}

function childrenOf(pid: number): number[] {
  let tasks: string[] = []
  try {
    tasks = readdirSync(`/proc/${pid}/task`)
  } catch {}
  return tasks.flatMap((task) =>
    read(`/proc/${pid}/task/${task}/children`).split(' ').filter(Boolean).map(Number),
  )
}

function rssMB(pid: number): number {
  return (Number(/VmRSS:\s+(\d+)/.exec(read(`/proc/${pid}/status`))?.[1] ?? 0) * 1024) / MB
}

export function treeOf(root: number): { pid: number; name: string }[] {
  const found: { pid: number; name: string }[] = []
  const queue = [root]
  for (let pid = queue.shift(); pid !== undefined; pid = queue.shift()) {
    found.push({ pid, name: read(`/proc/${pid}/comm`).trim() })
    queue.push(...childrenOf(pid))
  }
  return found
}

/** Processor time of a process and everything under it, in clock ticks. */
export function cpuTicks(root: number): number {
  return treeOf(root).reduce((sum, { pid }) => {
    const fields = read(`/proc/${pid}/stat`).split(') ')[1]?.split(' ') ?? []
    return sum + Number(fields[11] ?? 0) + Number(fields[12] ?? 0)
  }, 0)
}

/** Samples resident memory from outside, four times a second. */
export class MemorySampler {
  readonly #root: number
  readonly #timer: NodeJS.Timeout
  #peak: Peak = { hubMB: 0, childrenMB: 0 }

  constructor(root: number) {
    this.#root = root
    this.#timer = setInterval(() => this.#sample(), 250)
    this.#timer.unref()
  }

  /** The highest sample since the start or the last call. */
  take(): Peak {
    this.#sample()
    const peak = this.#peak
    this.#peak = { hubMB: 0, childrenMB: 0 }
    return peak
  }

  stop(): void {
    clearInterval(this.#timer)
  }

  #sample(): void {
    const tree = treeOf(this.#root)
    const rootName = tree[0]?.name
    let hubMB = 0
    let childrenMB = 0
    for (const { pid, name } of tree) {
      if (pid === this.#root || name === rootName) hubMB += rssMB(pid)
      else childrenMB += rssMB(pid)
    }
    this.#peak = {
      hubMB: Math.max(this.#peak.hubMB, hubMB),
      childrenMB: Math.max(this.#peak.childrenMB, childrenMB),
    }
  }
}
