import { expect, test } from 'vitest'
import { startTestHub } from '../support/hub.js'
import { PYTHON_CLIENTS, runPython } from '../support/python.js'

const GROUPS = ['discussions', 'pages', 'drafts', 'three clients', 'conflicts', 'refusals', 'moved']

test.each(PYTHON_CLIENTS)(
  'huggingface_hub %s on discussions and pull requests',
  async (version) => {
    const hub = await startTestHub()
    const ada = await hub.user('ada')
    const eve = await hub.user('eve')
    const reader = await hub.token(ada.user, { role: 'read' })
    const facts = { ada: ada.token, eve: eve.token, reader }
    const env = { HF_HUB_DISABLE_XET: '1', GIT_TERMINAL_PROMPT: '0' }
    const out = await runPython(hub, {
      version,
      script: 'python-discussions.py',
      as: ada,
      facts,
      env,
    })
    const said = out.split('\n').filter((it) => it.startsWith('ok '))
    expect(said).toEqual(GROUPS.map((it) => `ok ${it}`))
  },
)
