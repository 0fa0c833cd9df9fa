/** What a ref may point at: exactly one thing once acknowledged, more while an answer is missing. null = the ref does not exist. */
export class RefMemory {
  readonly #possible = new Map<string, Set<string | null>>()

  possible(ref: string): ReadonlySet<string | null> {
    return this.#possible.get(ref) ?? new Set([null])
  }

  /** Where the ref is when nothing is open; otherwise one of the possibilities. */
  current(ref: string): string | null {
    return [...this.possible(ref)].at(-1) ?? null
  }

  names(): string[] {
    return [...this.#possible.keys()]
  }

  intend(ref: string, oid: string | null): void {
    this.#possible.set(ref, new Set([...this.possible(ref), oid]))
  }

  acknowledge(ref: string, oid: string | null): void {
    this.#possible.set(ref, new Set([oid]))
  }

  /** Compares with what a repository has, adopts it, and answers what cannot be. */
  reconcile(found: ReadonlyMap<string, string>): string[] {
    const problems: string[] = []
    for (const ref of new Set([...this.names(), ...found.keys()])) {
      const oid = found.get(ref) ?? null
      if (!this.possible(ref).has(oid))
        problems.push(`${ref} is at ${oid}, may be at ${[...this.possible(ref)].join(' or ')}`)
      this.acknowledge(ref, oid)
    }
    return problems
  }
}
