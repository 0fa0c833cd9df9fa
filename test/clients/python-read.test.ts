import { createHash, randomBytes } from 'node:crypto'
import { expect, test } from 'vitest'
import { gitOk, startTestHub, type TestHub, type TestUser } from '../support/hub.js'
import { PYTHON_CLIENTS, runPython } from '../support/python.js'
import { cloneRepo, pushFiles, safetensors } from '../support/repos.js'

const CARD = `---
license: apache-2.0
language: [en, fr]
library_name: transformers
pipeline_tag: text-generation
tags: [tiny, test]
datasets: [ada/texts]
base_model: ada/base
---
# A model
`

/** Everything that the stories read, made by git alone: what clients see must be what git has. */
async function seed(hub: TestHub) {
  const ada = await hub.user('ada')
  const bob = await hub.user('bob', { role: 'read' })
  const create = async (body: Record<string, unknown>) => {
    const made = await hub.api('/api/repos/create', { as: ada, body })
    if (made.status !== 200) throw new Error(made.text)
  }
  await create({ name: 'm' })
  await create({ name: 'secret', private: true })
  await create({ name: 'gated' })
  await create({ name: 'many' })
  await create({ name: 'texts', type: 'dataset' })
  await create({ name: 'app', type: 'space', sdk: 'gradio' })
  await create({ name: 'before' })
  const weights = safetensors({
    'a.weight': { dtype: 'F32', shape: [10, 20] },
    'a.scale': { dtype: 'I8', shape: [7] },
  })
  const big = randomBytes(3_000_000)
  const m = await cloneRepo(hub, ada, 'ada/m')
  const first = await pushFiles(m, {
    'README.md': CARD,
    'config.json': JSON.stringify({ model_type: 'gpt2', architectures: ['GPT2LMHeadModel'] }),
    'model.safetensors': weights,
    'data/big.bin': big,
    'data/deep/er/x.txt': 'deep',
    'empty.txt': '',
    'odd/100% & #1 größe.txt': 'odd name',
  })
  await gitOk(m, ['tag', '-a', 'v1', '-m', 'first'])
  await gitOk(m, ['push', '-q', 'origin', 'v1', 'HEAD:refs/heads/feat/x', 'HEAD:refs/pr/1'])
  const head = await pushFiles(m, { 'data/deep/er/x.txt': 'deeper' }, 'second\n\nwith a body <b>')
  await pushFiles(await cloneRepo(hub, ada, 'ada/secret'), { 's.txt': 'secret' })
  await pushFiles(await cloneRepo(hub, ada, 'ada/gated'), { 'g.txt': 'gated' })
  const gated = await hub.domain.stores.repos.findByAddress({
    kind: 'model',
    namespace: 'ada',
    name: 'gated',
  })
  if (!gated) throw new Error('no gated repository')
  const actor = { caller: hub.domain.login.anonymous('127.0.0.1'), dialect: 'test' }
  await hub.domain.stores.repos.updateSettings(
    gated.id,
    { gate: 'manual' },
    {
      type: 'repo.settings',
      repo: gated,
      actor: { id: null, name: null, address: '' },
      dialect: actor.dialect,
      data: {},
    },
  )
  const many = Object.fromEntries(
    Array.from({ length: 1_234 }, (_, n) => [`d${n % 7}/f${n}.txt`, `${n}`]),
  )
  await pushFiles(await cloneRepo(hub, ada, 'ada/many'), many)
  await pushFiles(await cloneRepo(hub, ada, 'datasets/ada/texts'), {
    'README.md': '---\nlicense: mit\ntask_categories: [text-classification]\nlanguage: en\n---\n',
    'train.jsonl': '{"a": 1}\n',
  })
  await pushFiles(await cloneRepo(hub, ada, 'spaces/ada/app'), {
    'README.md': '---\ntitle: App\nsdk: gradio\nmodels: [ada/m]\ndatasets: [ada/texts]\n---\n',
  })
  await pushFiles(await cloneRepo(hub, ada, 'ada/before'), { 'moved.txt': 'moved' })
  const moved = await hub.api('/api/repos/move', {
    as: ada,
    body: { fromRepo: 'ada/before', toRepo: 'ada/after', type: 'model' },
  })
  expect(moved.status).toBe(200)
  const tree = await gitOk(m, ['ls-tree', '-r', '-z', 'HEAD'])
  const files = tree
    .split('\0')
    .filter((it) => it !== '')
    .map((it) => ({ oid: it.slice(12, 52), path: it.slice(53) }))
  const sha256 = createHash('sha256').update(big).digest('hex')
  return { ada, bob, facts: { first, head, files, sha256, size: big.length } }
}

async function story(hub: TestHub, version: string, as: TestUser, facts: unknown) {
  const out = await runPython(hub, { version, script: 'python-read.py', as, facts })
  // every group says that it ran to its end
  expect(out.trim().split('\n')).toEqual([
    'ok identity',
    'ok info',
    'ok lists',
    'ok tree',
    'ok refs',
    'ok commits',
    'ok downloads',
    'ok snapshot',
    'ok file system',
    'ok safetensors',
    'ok renamed',
    'ok refusals',
  ])
}

test.each(PYTHON_CLIENTS)('huggingface_hub %s reads everything', async (version) => {
  const hub = await startTestHub()
  const { ada, bob, facts } = await seed(hub)
  await story(hub, version, ada, { ...facts, other: bob.token })
})
