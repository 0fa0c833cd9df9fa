import type { LoginAttemptStore } from '../../domain/accounts/ports.js'
import { isoNow } from '../../lib/ids.js'
import type { Db } from './open.js'
import { now } from './rows.js'

export function loginAttemptStore(db: Db): LoginAttemptStore {
  return {
    takeLoginAttempt: (key, windowSeconds) =>
      db.transaction().execute(async (tx) => {
        const windowStart = isoNow(-windowSeconds * 1000)
        await tx.deleteFrom('login_attempt').where('window_started_at', '<=', windowStart).execute()
        const row = await tx
          .insertInto('login_attempt')
          .values({ key, failures: 1, window_started_at: now() })
          .onConflict((oc) =>
            oc
              .column('key')
              .doUpdateSet((eb) => ({ failures: eb('login_attempt.failures', '+', 1) })),
          )
          .returning(['failures', 'window_started_at'])
          .executeTakeFirstOrThrow()
        const endsMs = Date.parse(row.window_started_at) + windowSeconds * 1000
        const left = Math.ceil((endsMs - Date.now()) / 1000)
        return { count: row.failures, retryAfterSeconds: Math.max(1, left) }
      }),
    async returnLoginAttempt(key) {
      await db
        .updateTable('login_attempt')
        .set((eb) => ({ failures: eb('failures', '-', 1) }))
        .where('key', '=', key)
        .where('failures', '>', 0)
        .execute()
    },
    async clearLoginAttempts(key) {
      await db.deleteFrom('login_attempt').where('key', '=', key).execute()
    },
  }
}
