import { mkdir, readdir, readFile, rename, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { HubError } from '../domain/errors.js'
import type {
  GitServiceRun,
  HookAnswer,
  HookCall,
  Quarantine,
  RefSnapshot,
} from '../domain/ports.js'
import { isRefName } from '../domain/refs/ref-names.js'
import type { ObjectFormat, RefUpdate } from '../domain/types.js'
import { newId } from '../lib/ids.js'
import { FLUSH } from '../protocol/pkt-line.js'
import { formatPushReport, type PushRequest, parsePlainPush } from '../protocol/push-request.js'
import type { CatFile } from './cat-file.js'
import { answerHook, nullIfZero } from './hooks.js'
import { RECEIVE_FSCK, repositoryConfig } from './layout.js'
import { smallPushIsConnected } from './push-walk.js'
import { markWriter, runService } from './service.js'
import { runGit } from './spawn.js'

/*
 * Most pushes move one branch by a few commits. `git receive-pack` needs five processes for such a one (itself,
 * unpack-objects, rev-list, and a shell for each hook), here it is one: git unpacks and checks the objects, in a
 * quarantine of the same shape, and the rest happens in this process in git's order: connectivity, pre-receive, objects
 * into place, the ref under its lock, post-receive. Only the way that ends well is taken here. Whatever is not as
 * expected before the policy has spoken goes to `git receive-pack` with every byte that was read, and git answers.
 */
const MAX_BYTES = 512 * 1024
/** As receive.unpackLimit: more objects stay in their pack. */
const MAX_OBJECTS = 30
const UNDERSTOOD =
  /^(report-status(-v2)?|side-band-64k|quiet|atomic|ofs-delta|push-options|object-format=\w+|(agent|session-id)=.*)$/

export interface SmallPushParts {
  readonly reader: () => CatFile
  readonly snapshot: () => RefSnapshot
  readonly moveRef: (update: RefUpdate) => Promise<void>
  /** Runs `git receive-pack` when its turn comes; rejects with `busy`. */
  readonly admit: (
    push: { readonly isBig: boolean; readonly waitedMs: () => number },
    task: () => Promise<void>,
  ) => Promise<void>
}

/** `runService` for receive-pack. */
export async function receivePack(
  directory: string,
  run: GitServiceRun,
  parts: SmallPushParts,
): Promise<void> {
  const { body, rest } = await readStart(run.input)
  // what git sends ahead of a large push, to see whether it is let in; receive-pack has no answer to it either
  if (rest === undefined && body.equals(FLUSH)) return
  const plain = rest === undefined ? await plainPush(directory, body, run, parts) : undefined
  const answer = plain && (await take(directory, plain, run, parts))
  if (answer) {
    if (!run.signal.aborted) run.output.write(answer)
    return
  }
  const pace = new Pace()
  const push = { isBig: rest !== undefined, waitedMs: () => pace.waitedMs }
  await parts.admit(push, () => {
    const input = Readable.from(joined(body, rest, pace), { objectMode: false })
    return runService(directory, { ...run, input })
  })
}

/** How long a push waits for what its client sends. */
class Pace {
  #waitedMs = 0
  #since: number | undefined

  get waitedMs(): number {
    return this.#waitedMs + (this.#since === undefined ? 0 : Date.now() - this.#since)
  }

  async during<T>(wait: Promise<T> | undefined): Promise<T | undefined> {
    this.#since = Date.now()
    try {
      return await wait
    } finally {
      this.#waitedMs = this.waitedMs
      this.#since = undefined
    }
  }
}

/** All of the body, or its start and what follows. */
async function readStart(
  input: Readable,
): Promise<{ body: Buffer; rest: AsyncIterator<Buffer> | undefined }> {
  const rest = input.iterator({ destroyOnReturn: false })
  const chunks: Buffer[] = []
  for (let size = 0; size <= MAX_BYTES; ) {
    const { value, done } = await next(rest)
    if (done) return { body: Buffer.concat(chunks), rest: undefined }
    chunks.push(value)
    size += value.length
  }
  return { body: Buffer.concat(chunks), rest }
}

async function next(input: AsyncIterator<Buffer>): Promise<IteratorResult<Buffer>> {
  try {
    return await input.next()
  } catch (err) {
    if (err instanceof HubError) throw err
    throw new HubError('invalid_input', 'The request body cannot be read to its end.', {}, err)
  }
}

async function* joined(
  body: Buffer,
  rest: AsyncIterator<Buffer> | undefined,
  pace: Pace,
): AsyncGenerator<Buffer> {
  if (body.length) yield body
  for (;;) {
    const it = await pace.during(rest?.next())
    if (!it || it.done) return
    yield it.value
  }
}

interface PlainPush {
  readonly request: PushRequest
  readonly update: RefUpdate & { readonly newOid: string }
}

/** One branch, made or moved by a pack of few objects, in a repository whose settings are ours. */
async function plainPush(
  directory: string,
  body: Buffer,
  run: GitServiceRun,
  parts: SmallPushParts,
): Promise<PlainPush | undefined> {
  const request = parsePlainPush(body)
  const [command, another] = request?.commands ?? []
  if (!request || !command || another || !run.onHook) return undefined
  if (body.length > (run.maxInputBytes ?? MAX_BYTES)) return undefined
  if (request.objectCount < 1 || request.objectCount > MAX_OBJECTS) return undefined
  if (!request.capabilities.every((it) => UNDERSTOOD.test(it))) return undefined
  const { ref } = command
  const newOid = nullIfZero(command.new)
  if (newOid === null || !ref.startsWith('refs/heads/') || !isRefName(ref)) return undefined
  const format: ObjectFormat = newOid.length === 64 ? 'sha256' : 'sha1'
  const said = request.capabilities.find((it) => it.startsWith('object-format='))
  if ((said ?? 'object-format=sha1') !== `object-format=${format}`) return undefined
  if (!(await hasOurSettings(directory, format))) return undefined
  // through a symbolic ref git moves another one
  if (parts.snapshot().refs.some((it) => it.name === ref && it.symref)) return undefined
  return { request, update: { name: ref, oldOid: nullIfZero(command.old), newOid } }
}

/** An operator's own settings are git's to follow; and so are alternates and shallow commits that somebody brought in. */
async function hasOurSettings(directory: string, format: ObjectFormat): Promise<boolean> {
  const [config, ...others] = await Promise.all(
    ['config', 'shallow', 'objects/info/alternates'].map((it) =>
      readFile(join(directory, it), 'utf8').catch(() => undefined),
    ),
  )
  return config === repositoryConfig(format) && others.every((it) => it === undefined)
}

/** The answer for the client; undefined when git has to say it. */
async function take(
  directory: string,
  { request, update }: PlainPush,
  run: GitServiceRun,
  parts: SmallPushParts,
): Promise<Buffer | undefined> {
  const objects = join(directory, 'objects')
  // git's name for it: what a killed process leaves is swept with git's own
  const quarantine = {
    objectDirectory: join(objects, `tmp_objdir-incoming-${newId()}`),
    alternates: objects,
  }
  const release = await markWriter(directory)
  try {
    await mkdir(quarantine.objectDirectory)
    if (!(await unpack(directory, request.pack, quarantine))) return undefined
    const { newOid } = update
    if (!(await smallPushIsConnected(parts.reader(), parts.snapshot(), newOid, quarantine)))
      return undefined
    const say = (refused: string | undefined, lines: readonly string[]) =>
      formatPushReport(request.capabilities, update.name, refused, lines)
    const before = await callHook('pre-receive', { request, update }, run, quarantine)
    if (!before.accept) return say('pre-receive hook declined', before.lines)
    await moveObjects(quarantine.objectDirectory, objects)
    try {
      await parts.moveRef(update)
    } catch (err) {
      if (!(err instanceof HubError)) throw err
      return say('failed to update ref', before.lines)
    }
    const after = await callHook('post-receive', { request, update }, run, undefined)
    return say(undefined, [...before.lines, ...after.lines])
  } finally {
    await rm(quarantine.objectDirectory, { recursive: true, force: true })
    await release()
  }
}

/** Loose objects, their content and links checked, on the disk when this answers; false when git refuses them. */
async function unpack(directory: string, pack: Buffer, quarantine: Quarantine): Promise<boolean> {
  const { code } = await runGit('unpack-objects', ['-q', `--strict=${RECEIVE_FSCK.join(',')}`], {
    cwd: directory,
    quarantine,
    input: pack,
    okCodes: [0, 1, 128, 129],
  })
  return code === 0
}

function callHook(
  hook: HookCall['hook'],
  { request, update }: PlainPush,
  run: GitServiceRun,
  quarantine: Quarantine | undefined,
): Promise<HookAnswer> {
  // as the hooks' own lines have it, where an option is a line
  const pushOptions = request.options.filter((it) => !it.includes('\n'))
  const call = { hook, updates: [update], pushOptions, quarantine }
  const onHook = run.onHook ?? (async () => ({ accept: false, lines: [] }))
  return answerHook(call, onHook, run.onHookError ?? (() => undefined))
}

async function moveObjects(from: string, to: string): Promise<void> {
  for (const fan of await readdir(from)) {
    if (!/^[0-9a-f]{2}$/.test(fan)) continue
    for (const name of await readdir(join(from, fan)))
      await moveObject(join(from, fan, name), join(to, fan), name)
  }
}

/** An object that is there already has the same content. */
async function moveObject(path: string, folder: string, name: string): Promise<void> {
  for (let attempt = 0; ; attempt += 1) {
    try {
      return await rename(path, join(folder, name))
    } catch (err) {
      // not there yet, or just removed by a repacking because it was empty
      if ((err as NodeJS.ErrnoException).code !== 'ENOENT' || attempt === 20) throw err
      await mkdir(folder, { recursive: true })
    }
  }
}
