import { randomBytes } from 'node:crypto'
import { issueToken } from './domain/accounts/login.js'
import type { Hub } from './hub.js'

/** The first start makes an admin account and says, once, how to use it. */
export async function welcome(hub: Hub): Promise<void> {
  const { stores, accounts } = hub.domain
  if ((await stores.accounts.countUsers()) > 0) return
  const password = randomBytes(12).toString('base64url')
  const name = 'packer'
  const user = await accounts.createUser({ name, password, isSiteAdmin: true })
  const { secret } = await issueToken(stores.accounts, {
    userId: user.id,
    name: 'first token',
    role: 'write',
  })
  const url = hub.domain.config.publicUrl ?? hub.url
  const withUser = url.replace('://', `://${name}:${secret}@`)
  process.stdout.write(`
Packhorse is ready. This is shown once:

  admin account   ${name}
  password        ${password}
  write token     ${secret}

Try it (create, clone, push):

  curl -X POST ${url}/api/repos/create -H "Authorization: Bearer ${secret}" -H "Content-Type: application/json" -d '{"type":"model","name":"first"}'
  git clone ${withUser}/${name}/first.git
  cd first && echo hello > hello.txt && git add . && git commit -m "hello" && git push

`)
}
