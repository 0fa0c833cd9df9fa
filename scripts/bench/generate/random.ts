/** xorshift128: the same seed gives the same repository on every machine. */
export class Random {
  #state = new Uint32Array(4)

  constructor(seed: number) {
    this.#state.set([seed ^ 0x9e3779b9, seed ^ 0x243f6a88, seed ^ 0xb7e15162, seed | 1])
    for (let warmUp = 0; warmUp < 16; warmUp++) this.next()
  }

  next(): number {
    const s = this.#state
    let t = s[3] as number
    t ^= t << 11
    t ^= t >>> 8
    s.copyWithin(1, 0, 3)
    const first = s[1] as number
    s[0] = t ^ first ^ (first >>> 19)
    return s[0] as number
  }

  below(limit: number): number {
    return this.next() % limit
  }

  bytes(size: number): Buffer {
    const words = new Uint32Array(Math.ceil(size / 4))
    for (let index = 0; index < words.length; index++) words[index] = this.next()
    return Buffer.from(words.buffer, 0, size)
  }
}
