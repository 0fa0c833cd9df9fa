export interface Job {
  readonly id: number
  readonly kind: string
  readonly key: string
  readonly data: Readonly<Record<string, unknown>>
  readonly attempts: number
}

export interface JobStore {
  /** One waiting job per kind and key: a second one only moves it earlier and takes the new data. */
  enqueue(job: {
    kind: string
    key: string
    data?: Record<string, unknown>
    delayMs?: number
  }): Promise<void>
  /** What has waited longest, of kinds that are not among `but`. */
  claim(owner: string, leaseSeconds: number, but?: readonly string[]): Promise<Job | undefined>
  renew(id: number, owner: string, leaseSeconds: number): Promise<boolean>
  finish(id: number, owner: string): Promise<void>
  fail(id: number, owner: string, error: string, retryAfterMs: number): Promise<void>
  counts(): Promise<{ waiting: number; running: number; failing: number }>
  /** Processes that claimed jobs which are not finished. */
  listOwners(): Promise<string[]>
  /** Gives back what a dead process had claimed. */
  releaseOwner(owner: string): Promise<void>
}
