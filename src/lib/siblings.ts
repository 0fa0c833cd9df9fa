/** The other processes that serve beside this one, seen from a worker (worker-processes.ts). */
import type { FromPrimary, FromWorker } from './worker-processes.js'

export interface Siblings {
  /** Tells every other process; may be lost when one is just being started. */
  relay(topic: string, body: unknown): void
  onRelay(topic: string, hear: (body: never) => void): void
  /** What all of them, this one included, answer to the question that `onQuestion` answers. */
  gather(): Promise<readonly unknown[]>
  onQuestion(answer: () => Promise<unknown>): void
}

const GATHER_MS = 5_000

export class WorkerSiblings implements Siblings {
  readonly #hearers = new Map<string, (body: never) => void>()
  readonly #gathering = new Map<number, (bodies: readonly unknown[]) => void>()
  readonly #onStop: () => void
  #answer: () => Promise<unknown> = async () => undefined
  #asked = 0

  /** `onStop`: the primary asks this process to end what is under way, and itself. */
  constructor(onStop: () => void) {
    this.#onStop = onStop
    process.on('message', (message: FromPrimary) => void this.#hear(message))
  }

  ready(url: string): void {
    tell({ type: 'ready', url })
  }

  relay(topic: string, body: unknown): void {
    tell({ type: 'relay', topic, body })
  }

  onRelay(topic: string, hear: (body: never) => void): void {
    this.#hearers.set(topic, hear)
  }

  onQuestion(answer: () => Promise<unknown>): void {
    this.#answer = answer
  }

  gather(): Promise<readonly unknown[]> {
    const id = ++this.#asked
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => {
        this.#gathering.delete(id)
        reject(new Error('the other processes do not answer'))
      }, GATHER_MS)
      this.#gathering.set(id, (bodies) => {
        clearTimeout(timer)
        this.#gathering.delete(id)
        resolve(bodies)
      })
      tell({ type: 'gather', id })
    })
  }

  async #hear(message: FromPrimary): Promise<void> {
    switch (message.type) {
      case 'stop':
        this.#onStop()
        break
      case 'relay':
        this.#hearers.get(message.topic)?.(message.body as never)
        break
      case 'gathered':
        this.#gathering.get(message.id)?.(message.bodies)
        break
      case 'question': {
        const body = await this.#answer().catch(() => undefined)
        tell({ type: 'answer', id: message.id, body })
      }
    }
  }
}

/** A primary that is gone hears nothing; node ends its workers then. */
function tell(message: FromWorker): void {
  if (process.connected) process.send?.(message, undefined, {}, () => undefined)
}
