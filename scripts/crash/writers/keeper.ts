import { demand, listRemote, request, type Session, type Writer } from '../session.js'

type Open = {
  readonly act: 'create' | 'delete' | 'move'
  readonly from: string
  readonly to?: string
}

/** Creates, moves and deletes repositories. Each is there whole or not at all, at one address. */
export class Keeper implements Writer {
  readonly name: string
  acknowledged = 0
  readonly #prefix: string
  readonly #there = new Set<string>()
  /** Old addresses, by where they lead. */
  readonly #moved = new Map<string, string>()
  #open: Open | undefined

  constructor(number: number) {
    this.name = `keeper ${number}`
    this.#prefix = `kept-${number}`
  }

  async act(it: Session): Promise<void> {
    const names = [...this.#there]
    const one = names[it.random.below(Math.max(names.length, 1))]
    const way = it.random.below(3)
    if (!one || (way === 0 && names.length < 5)) return this.#create(it, this.#free(it))
    if (way === 1) return this.#move(it, one, this.#free(it))
    return this.#delete(it, one)
  }

  /** Names are used again: a crash must not leave one taken. */
  #free(it: Session): string {
    const names = Array.from({ length: 10 }, (_, at) => `${this.#prefix}-${at}`)
    const free = names.filter((name) => !this.#there.has(name))
    return free[it.random.below(free.length)] as string
  }

  async #create(it: Session, from: string): Promise<void> {
    this.#open = { act: 'create', from }
    await demand(it, '/api/repos/create', { json: { type: 'model', name: from } })
    this.#there.add(from)
    this.#moved.delete(from)
    this.#done()
  }

  async #move(it: Session, from: string, to: string): Promise<void> {
    this.#open = { act: 'move', from, to }
    const json = { type: 'model', fromRepo: `${it.user}/${from}`, toRepo: `${it.user}/${to}` }
    await demand(it, '/api/repos/move', { json })
    this.#applyMove(from, to)
    this.#done()
  }

  #applyMove(from: string, to: string): void {
    this.#there.delete(from)
    this.#there.add(to)
    this.#moved.delete(to)
    for (const [old, now] of this.#moved) if (now === from) this.#moved.set(old, to)
    this.#moved.set(from, to)
  }

  async #delete(it: Session, from: string): Promise<void> {
    this.#open = { act: 'delete', from }
    const json = { type: 'model', name: from }
    await demand(it, '/api/repos/delete', { method: 'DELETE', json })
    this.#applyDelete(from)
    this.#done()
  }

  #applyDelete(name: string): void {
    this.#there.delete(name)
    for (const [old, now] of this.#moved) if (now === name) this.#moved.delete(old)
  }

  #done(): void {
    this.#open = undefined
    this.acknowledged += 1
  }

  async verify(it: Session): Promise<string[]> {
    const problems: string[] = []
    if (this.#open) await this.#settle(it, this.#open)
    this.#open = undefined
    for (const name of this.#there) {
      const refs = await listRemote(it, name)
      if (!refs?.has('refs/heads/main')) problems.push(`${name} is not there, or empty`)
      const reply = await this.#look(it, name)
      if (reply.status !== 200) problems.push(`${name} answers ${reply.status}`)
    }
    for (let at = 0; at < 10; at += 1) {
      const name = `${this.#prefix}-${at}`
      if (this.#there.has(name)) continue
      const reply = await this.#look(it, name)
      const target = this.#moved.get(name)
      if (!target && reply.status !== 404) problems.push(`${name} answers ${reply.status}, not 404`)
      if (target && !reply.headers.get('location')?.includes(`/${target}.git/`))
        problems.push(`${name} does not lead to ${target}: ${reply.status}`)
    }
    return problems.map((text) => `${this.name}: ${text}`)
  }

  #look(it: Session, name: string) {
    return request(it, `/${it.user}/${name}.git/info/refs?service=git-upload-pack`)
  }

  /** Nobody said whether this happened: what is found decides, as long as it is one or the other. */
  async #settle(it: Session, { act, from, to }: Open): Promise<void> {
    const there = (await this.#look(it, from)).status === 200
    if (act === 'create' && there) {
      this.#there.add(from)
      this.#moved.delete(from)
    } else if (act === 'delete' && !there) this.#applyDelete(from)
    else if (act === 'move' && to && !there) this.#applyMove(from, to)
  }
}
