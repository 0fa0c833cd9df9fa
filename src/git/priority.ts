import { constants, setPriority } from 'node:os'

/** Whatever else wants the processor gets it first; the children that it will start inherit this. */
export function lowerPriority(pid: number | undefined): void {
  try {
    if (pid) setPriority(pid, constants.priority.PRIORITY_LOW)
  } catch {
    // it has ended already, or the system does not let us: it runs as everybody does
  }
}
