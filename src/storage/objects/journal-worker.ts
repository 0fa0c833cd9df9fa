/** The thread behind `JournaledWrites`: the only one of its process that writes a journal. */
import { answerCalls } from '../../lib/worker-pool.js'
import { Journal } from './journal.js'
import type { Placed } from './journal-records.js'

export interface JournalRequest {
  readonly root: string
  readonly records: Uint8Array<ArrayBuffer>
  readonly placed: readonly Placed[]
}

/** So long after the last object the files are brought to the disk. */
const IDLE_MS = 3_000

let journal: Journal | undefined
let idle: NodeJS.Timeout | undefined

answerCalls(() => (body) => {
  const { root, records, placed } = body as JournalRequest
  journal ??= new Journal(root)
  journal.append(records, placed)
  idle ??= setTimeout(() => void journal?.settle(), IDLE_MS)
  idle.refresh()
  return { body: undefined }
})
