import { HubError } from '../errors.js'
import type { SettingStore } from '../ports.js'
import type { JobHandler } from './runner.js'

const KEY = 'backup_until'
const LEASE_MS = 5 * 60_000

/** While a backup runs, in whatever process, nothing that the database named at its start is removed. */
export class BackupLease {
  readonly #settings: SettingStore

  constructor(settings: SettingStore) {
    this.#settings = settings
  }

  async during<T>(task: () => Promise<T>): Promise<T> {
    const renew = () => this.#settings.put(KEY, new Date(Date.now() + LEASE_MS).toISOString())
    await renew()
    const renewal = setInterval(() => void renew().catch(() => undefined), LEASE_MS / 5)
    try {
      return await task()
    } finally {
      clearInterval(renewal)
      await this.#settings.remove(KEY)
    }
  }

  /** Throws `repo_locked` while a backup runs. */
  async requireNone(): Promise<void> {
    const until = await this.#settings.find(KEY)
    if (until !== undefined && until > new Date().toISOString())
      throw new HubError(
        'repo_locked',
        'A backup is running: nothing is removed until it has ended.',
      )
  }

  /** For jobs that remove things: they come round again when the backup is over. */
  guard(handler: JobHandler): JobHandler {
    return async (job, signal) => {
      await this.requireNone()
      await handler(job, signal)
    }
  }
}
