import { isoNow } from '../../lib/ids.js'
import type { XetStore } from './ports.js'
import { objectBytesOf, type Xorbs } from './xorbs.js'

const PAGE = 500
/** Objects without a row, and files without an object, are of uploads that a crash cut off once they are so old. */
const LEFTOVER_MS = 24 * 3600_000

export interface XetCollectReport {
  xorbs: number
  bytes: number
  /** Objects that no row names. */
  leftovers: number
}

/**
 * Frees xorbs that no file stands on, once the grace period since they were last named is over: clients remember xorbs
 * for three weeks and refer to them without asking. Goes in two steps like the LFS collector: state `deleting` by a
 * compare-and-set that a reference or a touch defeats, then bytes, then the row.
 */
export class XetCollector {
  readonly #xet: XetStore
  readonly #xorbs: Xorbs

  constructor(parts: { xet: XetStore; xorbs: Xorbs }) {
    this.#xet = parts.xet
    this.#xorbs = parts.xorbs
  }

  async collect(options: { dryRun: boolean; graceSeconds: number }): Promise<XetCollectReport> {
    const report: XetCollectReport = { xorbs: 0, bytes: 0, leftovers: 0 }
    if (!options.dryRun) {
      await this.finishDeletions()
      await this.#xet.dropUnlinkedFiles(isoNow(-LEFTOVER_MS))
    }
    const before = isoNow(-options.graceSeconds * 1000)
    for (let after = ''; ; ) {
      const page = await this.#xet.listUnused(before, after, PAGE)
      for (const xorb of page) {
        if (!options.dryRun) {
          if (!(await this.#xet.claimUnused(xorb.hash, before))) continue
          await this.#xorbs.delete(xorb)
          await this.#xet.dropXorb(xorb)
        }
        report.xorbs += 1
        report.bytes += objectBytesOf(xorb)
      }
      const last = page.at(-1)
      if (!last) break
      after = last.hash
    }
    await this.#sweepLeftovers(options.dryRun, report)
    return report
  }

  /** Deletions that a crash cut off. */
  async finishDeletions(): Promise<void> {
    for (const xorb of await this.#xet.listDeleting()) {
      await this.#xorbs.delete(xorb)
      await this.#xet.dropXorb(xorb)
    }
  }

  async #sweepLeftovers(dryRun: boolean, report: XetCollectReport): Promise<void> {
    const before = Date.now() - LEFTOVER_MS
    for await (const { xorb, modifiedAt, size } of this.#xorbs.list()) {
      if (modifiedAt.getTime() > before || (await this.#xet.isKnown(xorb.hash, xorb.nonce)))
        continue
      if (!dryRun) await this.#xorbs.delete(xorb)
      report.leftovers += 1
      report.bytes += size
    }
  }
}
