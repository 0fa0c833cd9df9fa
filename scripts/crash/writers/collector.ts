import { runSubcommand } from '../server.js'
import type { Session, Writer } from '../session.js'

/** Collects garbage without any grace, from another process: only leases and links protect what is under way. */
export class GarbageCollector implements Writer {
  readonly name = 'gc'
  acknowledged = 0

  async act(it: Session): Promise<void> {
    const words = ['gc', '--grace', '0', '--xet-grace', '0']
    const { code, output } = await runSubcommand(it.command, it.dataDir, words, it.signal)
    if (code === 0) this.acknowledged += 1
    else if (!it.signal.aborted) throw new Error(`gc exited ${code}: ${output}`)
  }

  /** What it must not have taken, the other writers miss. */
  async verify(): Promise<string[]> {
    return []
  }
}
