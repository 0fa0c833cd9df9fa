import { expect } from 'vitest'
import type { ApiReply, TestHub, TestUser } from './hub.js'

/** Discussions of one repository as raw requests. */
export function discussionsOf(hub: TestHub, api = '/api/models/ada/m') {
  const base = `${api}/discussions`
  const post = (as: TestUser | undefined, rest: string, body?: unknown): Promise<ApiReply> =>
    hub.api(`${base}${rest}`, { ...(as ? { as } : {}), method: 'POST', body: body ?? '' })
  return {
    post,
    remove: (as: TestUser, num: number) => hub.api(`${base}/${num}`, { as, method: 'DELETE' }),
    async open(as: TestUser, title = 'A question', more: Record<string, unknown> = {}) {
      const reply = await post(as, '', { title, description: 'why?', pullRequest: false, ...more })
      expect(reply.status, reply.text).toBe(200)
      return reply.json.num as number
    },
    async read(num: number, as?: TestUser) {
      const reply = await hub.api(`${base}/${num}?diff=1`, as ? { as } : {})
      expect(reply.status, reply.text).toBe(200)
      return reply.json
    },
    list: (query = '', as?: TestUser) => hub.api(`${base}${query}`, as ? { as } : {}),
  }
}

/** Types of what happened, in order; status changes with the status. */
export function story(details: { events: { type: string; data: Record<string, unknown> }[] }) {
  return details.events.map(({ type, data }) =>
    type === 'status-change' ? `status ${data.status}` : type,
  )
}
