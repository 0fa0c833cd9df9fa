import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import { PYTHON_CLIENTS, runPython } from '../support/python.js'

test.each(PYTHON_CLIENTS)(
  'huggingface_hub %s manages webhooks and understands what they send',
  async (version) => {
    const hub = await startTestHub({ PACKHORSE_WEBHOOKS_ALLOW_PRIVATE: '1' })
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    const facts = { eve: eve.token, reader: await hub.token(ada.user, { role: 'read' }) }
    const out = await runPython(hub, { version, script: 'python-webhooks.py', as: ada, facts })
    const said = out.split('\n').filter((it) => it.startsWith('ok '))
    expect(said).toEqual(['ok methods', 'ok wrong', 'ok deliveries'])
  },
)
