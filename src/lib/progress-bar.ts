/** A bar on stderr while a person looks on; silent otherwise. */
export function progressBar(
  label: string,
  total: number,
): { update(done: number): void; end(): void } {
  const { stderr } = process
  if (!stderr.isTTY || total === 0) return { update: () => undefined, end: () => undefined }
  let shown = -1
  return {
    update(done) {
      const percent = Math.floor((100 * done) / total)
      if (percent === shown) return
      shown = percent
      const filled = '='.repeat(Math.floor(percent / 4)).padEnd(25)
      stderr.write(`\r${label} [${filled}] ${percent}% ${done}/${total}`)
    },
    end() {
      stderr.write('\n')
    },
  }
}
