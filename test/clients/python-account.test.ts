import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import { PYTHON_CLIENTS, runPython } from '../support/python.js'

test.each(PYTHON_CLIENTS)('huggingface_hub %s knows who it is', async (version) => {
  const hub = await startTestHub()
  const ada = await hub.user('ada')
  const made = await hub.api('/org/create', { as: ada, body: { name: 'lab' } })
  expect(made.status).toBe(200)
  const facts = { ada: ada.token, reader: await hub.token(ada.user, { role: 'read' }) }
  const out = await runPython(hub, { version, script: 'python-account.py', facts })
  const said = out.split('\n').filter((it) => it.startsWith('ok '))
  expect(said).toEqual(['ok identity', 'ok log in', 'ok one file'])
})
