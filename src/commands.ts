import { mkdir } from 'node:fs/promises'
import { resolve } from 'node:path'
import { type Command, InvalidArgumentError } from 'commander'
import { pino } from 'pino'
import { addAuditCommand, recordCommand } from './audit-command.js'
import { readConfig } from './config/config.js'
import { issueToken } from './domain/accounts/login.js'
import type { TokenRole, User } from './domain/types.js'
import { Closer } from './lib/closer.js'
import { type ProgressBar, progressBar } from './lib/progress-bar.js'
import { type Domain, openDomain, restoreBackup } from './services.js'
import { backUp } from './storage/backup/backup.js'

/** The subcommands besides `serve`. Each works on the data directory and may run while the hub does. */
export function addCommands(program: Command): void {
  program.hook('preAction', (_program, command) => {
    running = command
  })
  const data = ['--data <dir>', 'data directory (PACKHORSE_DATA)'] as const

  const user = program.command('user').description('accounts')
  user
    .command('create <name>')
    .description('make an account')
    .option('--password <password>', 'at least 8 characters; without one only tokens log in')
    .option('--email <address>')
    .option('--admin', 'site administrator')
    .option(...data)
    .action(
      (name: string, o: { password?: string; email?: string; admin?: boolean; data?: string }) =>
        withDomain(o, async ({ accounts }) => {
          await accounts.createUser({
            name,
            password: o.password,
            email: o.email,
            isSiteAdmin: o.admin ?? false,
          })
          print(`created user ${name}`)
        }),
    )

  user
    .command('system <name>')
    .description(
      "make an account a machine's: mirrors and signers that may lock and read signing keys",
    )
    .option('--off', 'make it an ordinary account again')
    .option(...data)
    .action((name: string, o: { off?: boolean; data?: string }) =>
      withDomain(o, async (domain) => {
        const { id } = await readUser(domain, name)
        await domain.packages.stores.systemUsers.set(id, !o.off)
        print(`${name} is ${o.off ? 'no system user any more' : 'a system user'}`)
      }),
    )

  const org = program.command('org').description('organisations')
  org
    .command('create <name>')
    .description('make an organisation')
    .requiredOption('--owner <user>', 'its first owner')
    .option(...data)
    .action((name: string, o: { owner: string; data?: string }) =>
      withDomain(o, async (domain) => {
        await domain.accounts.createOrg({ name, owner: await readUser(domain, o.owner) })
        print(`created organisation ${name}`)
      }),
    )

  const token = program.command('token').description('access tokens')
  token
    .command('create <user>')
    .description('make a token and print it, only it')
    .option('--role <role>', 'read, write or admin', tokenRole, 'write')
    .option('--name <name>', 'what it is for', 'command line')
    .option(...data)
    .action((name: string, o: { role: TokenRole; name: string; data?: string }) =>
      withDomain(o, async (domain) => {
        const { id: userId } = await readUser(domain, name)
        const { secret } = await issueToken(domain.stores.accounts, {
          userId,
          name: o.name,
          role: o.role,
        })
        print(secret)
      }),
    )

  program
    .command('gc')
    .description('free LFS objects that no commit of any repository names')
    .option('--dry-run', 'only report')
    .option('--grace <seconds>', 'keep objects younger than this', seconds)
    .option('--xet-grace <seconds>', 'keep xorbs that were named within this time', seconds)
    .option(...data)
    .action((o: { dryRun?: boolean; grace?: number; xetGrace?: number; data?: string }) =>
      withDomain(o, async (domain) => {
        if (!o.dryRun) await domain.backupLease.requireNone()
        const total = await domain.stores.repos.count({})
        const bar = progressBar('gc', total)
        const report = await domain.collector.collect({
          dryRun: o.dryRun ?? false,
          graceSeconds: o.grace ?? domain.config.lfs.graceSeconds,
          onProgress: (done) => bar.update(done),
        })
        bar.end()
        const verb = o.dryRun ? 'would free' : 'freed'
        print(
          `${verb} ${report.objects} objects, ${report.bytes} bytes; ${report.unlinked} links dropped`,
        )
        if (report.unreadable > 0)
          print(
            `${report.unreadable} repositories could not be read, all they link stays: see fsck`,
          )
        const { xorbs, bytes, leftovers } = await domain.xet.collector.collect({
          dryRun: o.dryRun ?? false,
          graceSeconds: o.xetGrace ?? domain.config.xet.graceSeconds,
        })
        print(`${verb} ${xorbs} xorbs and ${leftovers} leftovers, ${bytes} bytes`)
      }),
    )

  program
    .command('reindex')
    .description('derive the metadata of every repository from git anew')
    .option(...data)
    .action((o: { data?: string }) =>
      withDomain(o, async (domain) => {
        let count = 0
        for await (const repo of everyRepo(domain, 'reindex')) {
          await domain.recorder.rebuild(repo)
          await domain.stores.quotas.recountRepo(repo.id)
          count += 1
        }
        print(`reindexed ${count} repositories`)
      }),
    )

  program
    .command('fsck')
    .description(
      'check every repository with git fsck, and that metadata and LFS objects are as git says',
    )
    .option('--lfs', 'also read and hash every LFS object and every xorb')
    .option(...data)
    .action((o: { lfs?: boolean; data?: string }) =>
      withDomain(o, async (domain) => {
        let bad = 0
        for await (const repo of everyRepo(domain, 'fsck')) {
          const problems = await domain.checker.checkRepo(repo)
          for (const it of problems) print(`${repo.kind} ${repo.namespace}/${repo.name}: ${it}`)
          bad += problems.length
        }
        const readAll = o.lfs ?? false
        for (const check of [
          domain.checker.checkDirectories(),
          domain.checker.checkObjects({ readAll }),
          domain.xet.checker.check({ readAll }),
        ])
          for await (const problem of check) {
            print(problem)
            bad += 1
          }
        print(bad === 0 ? 'clean' : `${bad} problems`)
        if (bad > 0) process.exitCode = 1
      }),
    )

  program
    .command('backup <directory>')
    .description(
      'copy everything, consistently and while the hub runs; repeated into the same directory it brings only what is new',
    )
    .option(...data)
    .action((directory: string, o: { data?: string }) =>
      withDomain(o, async (domain) => {
        const bars = backupBars()
        const made = await backUp(
          { ...domain, lease: domain.backupLease, onProgress: bars.update },
          resolve(directory),
        )
        bars.end()
        const where = made.objectsIn === 's3' ? 'LFS objects stay in S3' : `${made.objects} objects`
        print(`backed up ${made.repositories} repositories, ${where}, ${made.objectBytes} bytes`)
      }),
    )

  program
    .command('restore <directory>')
    .description('put a backup into an empty data directory')
    .option(...data)
    .action(async (directory: string, o: { data?: string }) => {
      const config = readConfig(process.env, { DATA: o.data })
      let bar: ProgressBar | undefined
      const made = await restoreBackup(config, resolve(directory), (done, total) => {
        bar ??= progressBar('restore', total)
        bar.update(done)
      })
      bar?.end()
      print(`restored ${made.repositories} repositories as of ${made.createdAt}`)
      print('packhorse fsck --lfs reads all of it')
    })

  addAuditCommand(program, withDomain)

  const jobs = program.command('jobs').description('background work')
  jobs
    .command('run')
    .description('run what is due now and end')
    .option(...data)
    .action((o: { data?: string }) => withDomain(o, ({ jobs }) => jobs.drain()))
}

/** What this process was called for. */
let running: Command | undefined

async function withDomain(
  options: { data?: string | undefined },
  work: (domain: Domain) => Promise<void>,
): Promise<void> {
  const config = readConfig(process.env, { DATA: options.data })
  await mkdir(config.dataDir, { recursive: true })
  const closer = new Closer()
  try {
    const domain = await openDomain(config, pino({ level: 'warn' }, pino.destination(2)), closer)
    await recordCommand(domain.audit, running, () => work(domain))
  } finally {
    await closer.close()
  }
}

async function* everyRepo(domain: Domain, label: string) {
  const bar = progressBar(label, await domain.stores.repos.count({}))
  let done = 0
  for (let after = 0; ; ) {
    const page = await domain.stores.repos.scan(after, 1_000)
    for (const repo of page) {
      yield repo
      done += 1
      bar.update(done)
    }
    const last = page.at(-1)
    if (!last) break
    after = last.seq
  }
  bar.end()
}

/** One bar after the other: repositories first, then objects, whose number shows only on the way. */
function backupBars() {
  let step = ''
  let bar: ProgressBar | undefined
  return {
    update(now: 'objects' | 'repositories', done: number, total: number) {
      if (now !== step) {
        bar?.end()
        bar = progressBar(now, total)
        step = now
      }
      bar?.update(done, total)
    },
    end: () => bar?.end(),
  }
}

async function readUser(domain: Domain, name: string): Promise<User> {
  const user = await domain.stores.accounts.findUser(name)
  if (!user) throw new Error(`there is no user ${name}`)
  return user
}

function tokenRole(text: string): TokenRole {
  if (text === 'read' || text === 'write' || text === 'admin') return text
  throw new InvalidArgumentError('read, write or admin')
}

function seconds(text: string): number {
  const value = Number(text)
  if (!Number.isInteger(value) || value < 0) throw new InvalidArgumentError('a number of seconds')
  return value
}

function print(line: string): void {
  process.stdout.write(`${line}\n`)
}
