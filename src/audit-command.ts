import { once } from 'node:events'
import { userInfo } from 'node:os'
import type { Command } from 'commander'
import { InvalidArgumentError, Option } from 'commander'
import { type AuditLog, BY_THE_HUB } from './domain/audit/audit-log.js'
import { type AuditFilter, OUTCOMES, type StoredEntry } from './domain/audit/ports.js'
import type { Domain } from './services.js'

/** Subcommands that change nothing, and so leave no trace. */
const READING = ['fsck', 'audit']
const SECRET_OPTION = /password|secret|token/i

/** Runs a subcommand and writes down that it ran, by whom on this machine, and how it ended. */
export async function recordCommand(
  audit: AuditLog,
  command: Command | undefined,
  work: () => Promise<void>,
): Promise<void> {
  let ended = false
  try {
    await work()
    ended = true
  } finally {
    if (command && !READING.includes(nameOf(command)))
      audit.record({
        ...BY_THE_HUB,
        action: `cli.${nameOf(command)}`,
        outcome: ended ? 'done' : 'failed',
        dialect: 'cli',
        data: { by: loginName(), arguments: command.args, options: shownOptions(command) },
      })
  }
}

/** `user create` -> `user.create`. */
function nameOf(command: Command): string {
  const above = command.parent?.parent ? `${command.parent.name()}.` : ''
  return `${above}${command.name()}`
}

function shownOptions(command: Command): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(command.opts<Record<string, unknown>>()).map(([name, value]) => [
      name,
      SECRET_OPTION.test(name) ? '***' : value,
    ]),
  )
}

function loginName(): string {
  try {
    return userInfo().username
  } catch {
    return String(process.getuid?.() ?? '') // an account without a name, as in containers
  }
}

type Format = 'jsonl' | 'csv'

/** `packhorse audit`: the log, oldest first, streamed. */
export function addAuditCommand(
  program: Command,
  withDomain: (
    options: { data?: string },
    work: (domain: Domain) => Promise<void>,
  ) => Promise<void>,
): void {
  program
    .command('audit')
    .description('print the audit log, oldest first')
    .option('--since <time>', 'from this time on (ISO 8601, or 7d, 12h, 30m ago)', time)
    .option('--until <time>', 'before this time', time)
    .option('--actor <name>', 'of this account')
    .option('--action <action>', 'of this kind: repo.move, or repo for all of repositories')
    .option('--repo <name>', 'on this repository: namespace/name, or its id')
    .addOption(new Option('--outcome <outcome>', 'that ended so').choices([...OUTCOMES]))
    .addOption(
      new Option('--format <format>', 'jsonl or csv').choices(['jsonl', 'csv']).default('jsonl'),
    )
    .option('--data <dir>', 'data directory (PACKHORSE_DATA)')
    .action((o: AuditFilter & { format: Format; data?: string }) =>
      withDomain(o, ({ audit }) => printAudit(audit, o, o.format)),
    )
}

async function printAudit(audit: AuditLog, filter: AuditFilter, format: Format): Promise<void> {
  if (format === 'csv') await write(`${CSV_FIELDS.map(([name]) => name).join(',')}\r\n`)
  for await (const entry of audit.each(filter)) {
    if (!process.stdout.writable) return // `| head` has enough
    await write(format === 'csv' ? csvLine(entry) : `${JSON.stringify(entry)}\n`)
  }
}

async function write(text: string): Promise<void> {
  if (!process.stdout.write(text) && process.stdout.writable)
    await once(process.stdout, 'drain').catch(() => undefined)
}

const CSV_FIELDS: readonly (readonly [string, (it: StoredEntry) => unknown])[] = [
  ['id', (it) => it.id],
  ['at', (it) => it.at],
  ['action', (it) => it.action],
  ['outcome', (it) => it.outcome],
  ['actor', (it) => it.actor.name],
  ['credential', (it) => it.credential],
  ['address', (it) => it.address],
  ['dialect', (it) => it.dialect],
  ['repo_kind', (it) => it.repo?.kind],
  ['repo', (it) => it.repo?.name],
  ['repo_id', (it) => it.repo?.id],
  ['request', (it) => it.request],
  ['method', (it) => it.method],
  ['path', (it) => it.path],
  ['status', (it) => it.status],
  ['data', (it) => JSON.stringify(it.data)],
]

function csvLine(entry: StoredEntry): string {
  return `${CSV_FIELDS.map(([, read]) => csvField(read(entry))).join(',')}\r\n`
}

/** RFC 4180; what a spreadsheet would take for a formula is made text by an apostrophe. */
function csvField(value: unknown): string {
  const text = value === null || value === undefined ? '' : String(value)
  const plain = /^[=+\-@\t\r]/.test(text) ? `'${text}` : text
  return /[",\r\n]/.test(plain) ? `"${plain.replaceAll('"', '""')}"` : plain
}

const UNIT_MS = { d: 86_400_000, h: 3_600_000, m: 60_000 } as const

function time(text: string): string {
  const [, count, unit] = /^(\d{1,6})([dhm])$/.exec(text) ?? []
  const at = unit
    ? Date.now() - Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
    : Date.parse(text)
  if (Number.isNaN(at)) throw new InvalidArgumentError('an ISO 8601 time, or 7d, 12h, 30m')
  return new Date(at).toISOString()
}
