/** Callers that ask for the same key while an answer is being made share that answer. Nothing is kept afterwards. */
export class SingleFlight<T> {
  readonly #flights = new Map<string, Promise<T>>()

  run(key: string, make: () => Promise<T>): Promise<T> {
    const flying = this.#flights.get(key)
    if (flying) return flying
    const flight = make().finally(() => this.#flights.delete(key))
    this.#flights.set(key, flight)
    return flight
  }
}
