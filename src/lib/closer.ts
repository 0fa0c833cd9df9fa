/** Closes what was opened, last first; every step is tried and the failures are reported together. */
export class Closer {
  readonly #steps: (() => void | Promise<void>)[] = []

  add<T>(it: T, close: (it: T) => unknown): T {
    this.#steps.push(async () => {
      await close(it)
    })
    return it
  }

  async close(): Promise<void> {
    const failures: unknown[] = []
    for (const step of this.#steps.splice(0).reverse()) {
      try {
        await step()
      } catch (err) {
        failures.push(err)
      }
    }
    if (failures.length === 1) throw failures[0]
    if (failures.length > 1) throw new AggregateError(failures, 'closing failed')
  }
}
