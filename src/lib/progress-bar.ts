export interface ProgressBar {
  /** A new total where it was not known before. */
  update(done: number, total?: number): void
  end(): void
}

/** A bar on stderr while a person looks on; silent otherwise. */
export function progressBar(label: string, total: number): ProgressBar {
  const { stderr } = process
  if (!stderr.isTTY || total === 0) return { update: () => undefined, end: () => undefined }
  let shown = ''
  let drawnAt = 0
  return {
    update(done, newTotal = total) {
      const part = Math.min(1, done / newTotal)
      const text = `${label} [${'='.repeat(Math.floor(part * 25)).padEnd(25)}] ${Math.floor(part * 100)}% ${done}/${newTotal}`
      // ten times a second is as much as anybody sees
      if (text === shown || (done < newTotal && Date.now() - drawnAt < 100)) return
      shown = text
      drawnAt = Date.now()
      stderr.write(`\r${text}`)
    },
    end() {
      stderr.write('\n')
    },
  }
}
