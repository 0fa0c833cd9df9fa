import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { hostname } from 'node:os'

/*
 * Names a process so that others can tell whether it still runs: h<host>-p<pid>-t<start>. A pid alone is not enough,
 * since it is given out again; <start> is when the kernel started it (proc(5), stat field 22, ticks since boot).
 */
const PATTERN = /^h([0-9a-f]{8})-p(\d+)-t(\d+)/
const HOST = createHash('sha256').update(`${hostname()}\0${bootId()}`).digest('hex').slice(0, 8)

/** This process; fit for file names, and the start of longer ones. */
export const PROCESS_INSTANCE = `h${HOST}-p${process.pid}-t${startOf(process.pid) ?? 0}`

/** Whether text that starts with an instance name is of a process that has ended. Of other machines' processes nothing is known: false. */
export function hasEnded(text: string): boolean {
  const [, host, pid, start] = PATTERN.exec(text) ?? []
  if (host !== HOST) return false
  const now = startOf(Number(pid))
  return now === undefined || (now !== 0 && now !== Number(start))
}

/** Whether the text starts with the name of a process of this machine's present boot. */
export function isOfThisMachine(text: string): boolean {
  return PATTERN.exec(text)?.[1] === HOST
}

function startOf(pid: number): number | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'latin1')
    // the command, field 2, is in parentheses and may hold anything
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    // a zombie is not running any more, it only waits to be counted
    return fields[0] === 'Z' ? undefined : Number(fields[19])
  } catch {
    if (process.platform === 'linux') return undefined
    try {
      process.kill(pid, 0)
      return 0
    } catch {
      return undefined
    }
  }
}

function bootId(): string {
  try {
    return readFileSync('/proc/sys/kernel/random/boot_id', 'latin1')
  } catch {
    return ''
  }
}
