/** A number of bytes that may be in memory at once for one purpose; who comes when it is spent waits, in order. */
export class ByteBudget {
  readonly #limit: number
  #used = 0
  readonly #waiting: { bytes: number; take: () => void }[] = []

  constructor(limit: number) {
    this.#limit = limit
  }

  /**
   * Takes `bytes` and answers what gives them back. More than the whole budget counts as all of it.
   * Rejects when `signal` aborts first.
   */
  async take(bytes: number, signal: AbortSignal): Promise<() => void> {
    const wanted = Math.min(bytes, this.#limit)
    signal.throwIfAborted()
    if (this.#waiting.length > 0 || this.#used + wanted > this.#limit)
      await this.#wait(wanted, signal)
    else this.#used += wanted
    let given = false
    return () => {
      if (given) return
      given = true
      this.#used -= wanted
      this.#admit()
    }
  }

  #wait(bytes: number, signal: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      const abort = () => {
        this.#waiting.splice(this.#waiting.indexOf(entry), 1)
        reject(signal.reason)
        this.#admit()
      }
      const take = () => {
        signal.removeEventListener('abort', abort)
        resolve()
      }
      const entry = { bytes, take }
      signal.addEventListener('abort', abort, { once: true })
      this.#waiting.push(entry)
    })
  }

  #admit(): void {
    for (;;) {
      const next = this.#waiting[0]
      if (!next || this.#used + next.bytes > this.#limit) return
      this.#waiting.shift()
      this.#used += next.bytes
      next.take()
    }
  }
}
