import { demand, request, type Session, type Writer } from '../session.js'

/** Sets and removes the variables of a Space, pauses it and starts it again. */
export class SpaceKeeper implements Writer {
  readonly name = 'space'
  acknowledged = 0
  #made = false
  /** What each variable may be; undefined = not there. */
  readonly #possible = new Map<string, Set<string | undefined>>()
  #stages = new Set(['STOPPED'])

  async act(it: Session): Promise<void> {
    const space = `/api/spaces/${it.user}/kept`
    if (!this.#made) {
      const files = [{ path: 'app.py', content: '', encoding: 'utf-8' }]
      const json = { type: 'space', name: 'kept', sdk: 'gradio', files }
      await demand(it, '/api/repos/create', { json })
      this.#made = true
    }
    if (it.random.below(3) === 0) await this.#switch(it, space)
    else await this.#set(it, space)
    this.acknowledged += 1
  }

  async #switch(it: Session, space: string): Promise<void> {
    const [verb, stage] = it.random.below(2) === 0 ? ['pause', 'PAUSED'] : ['restart', 'STOPPED']
    this.#stages.add(stage as string)
    await demand(it, `${space}/${verb}`, { method: 'POST' })
    this.#stages = new Set([stage as string])
  }

  async #set(it: Session, space: string): Promise<void> {
    const key = `V${it.random.below(5)}`
    const values = this.#possible.get(key) ?? new Set([undefined])
    this.#possible.set(key, values)
    const isThere = !values.has(undefined)
    const value = isThere && it.random.below(3) === 0 ? undefined : String(it.random.below(1e9))
    values.add(value)
    const method = value === undefined ? 'DELETE' : 'POST'
    await demand(it, `${space}/variables`, { method, json: { key, value } })
    this.#possible.set(key, new Set([value]))
  }

  async verify(it: Session): Promise<string[]> {
    if (!this.#made) return []
    const read = async (path: string) => {
      const { body } = await request(it, `/api/spaces/${it.user}/kept/${path}`)
      return JSON.parse(body.toString())
    }
    const problems: string[] = []
    const variables = (await read('variables')) as Record<string, { value: string } | undefined>
    for (const [key, values] of this.#possible) {
      const value = variables[key]?.value
      if (!values.has(value))
        problems.push(`space: ${key} is ${value}, not ${[...values].join(' or ')}`)
      this.#possible.set(key, new Set([value]))
    }
    const { stage } = (await read('runtime')) as { stage: string }
    if (!this.#stages.has(stage))
      problems.push(`space: ${stage}, not ${[...this.#stages].join(' or ')}`)
    this.#stages = new Set([stage])
    return problems
  }

  static async isServed(it: Session): Promise<boolean> {
    return (await request(it, '/api/spaces/hardware')).status !== 404
  }
}
