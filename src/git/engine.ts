import { existsSync } from 'node:fs'
import { mkdir, realpath } from 'node:fs/promises'
import { join } from 'node:path'
import { LRUCache } from 'lru-cache'
import type { GitEngine, RefSnapshot } from '../domain/ports.js'
import type { Ref, RefUpdate, RepoId } from '../domain/types.js'
import { Admission, slotsOf } from './admission.js'
import { reachesAll, writeBundle } from './bundle.js'
import { CatFilePool } from './cat-file.js'
import { CommitOrders, walkCommits } from './commit-order.js'
import { commitTree, createTagObject, updateRefs, writeCommit } from './commits.js'
import { diffText } from './diff-text.js'
import { listPacks, openObjectFile } from './dumb-files.js'
import { FetchCache, type FetchCacheCounts } from './fetch-cache/fetch-cache.js'
import { GitLayout } from './layout.js'
import { sweepRepository } from './leftovers.js'
import { Mailbox, type MailboxParts } from './mailbox.js'
import { diffTexts, findConflicts, mergeBase, mergeTree } from './merge.js'
import { newBlobs } from './new-blobs.js'
import { ObjectSizes } from './object-sizes.js'
import { smallPushExtends, smallPushPointers } from './push-walk.js'
import { Readers } from './readers.js'
import { GitReads } from './reads.js'
import { moveRefFile } from './ref-files.js'
import { RefReader } from './refs.js'
import { replaceRefs } from './replace-refs.js'
import { markWriter, pushesInFlight, runService } from './service.js'
import { smallSteps, writeSmallCommit } from './small-commit.js'
import { receivePack } from './small-push.js'
import { runGit, runningProcesses, useLauncher } from './spawn.js'
import {
  copyRepository,
  dropOtherObjects,
  exportObjects,
  importObjects,
  objectsReach,
} from './transfer.js'
import { copyTree } from './tree-copy.js'
import { bytesUnder, fsck, maintain, needsMaintenance, prune } from './upkeep.js'

/** Oldest git with all that is used here: `merge-tree --write-tree` (2.38), `cat-file --batch-command` and `core.fsync` (2.36). */
/** Pages of the log before this one cost git next to nothing. */
const DEEP_PAGE = 1_000
const OLDEST_GIT = [2, 38] as const

export interface Git extends GitEngine {
  /** Takes part in pushes that are made on the server's own disk. */
  openMailbox(parts: Omit<MailboxParts, 'repositoryAt'>): Promise<Mailbox>
  /** A small process starts git from here on: for who serves many requests, not for one command. */
  useLauncher(): { close(): void }
  /** Since the start of this process. */
  fetchCounts(): FetchCacheCounts & { waiting: number }
  close(): Promise<void>
}

export interface GitOptions {
  readonly root: string
  readonly hooksDir: string
  /** Answers to fetches are kept here; nothing is kept with 0 bytes. */
  readonly fetchCache: { readonly root: string; readonly maxBytes: number }
  /** Packs made at once; 0 = by cores and memory. */
  readonly packProcesses: number
  /** Processes that serve: they share these between them. */
  readonly workers: number
  /** How long a fetch waits for its turn. */
  readonly packWaitMs: number
}

export async function openGit(options: GitOptions): Promise<Git> {
  const gitVersion = await checkVersion()
  await mkdir(options.root, { recursive: true })
  // git tells its hooks real paths: ours must be comparable
  const layout = new GitLayout(await realpath(options.root))
  await layout.prepare(options.hooksDir)
  const pool = new CatFilePool(24)
  const refs = new RefReader()
  const sizes = new ObjectSizes()
  const peeled = new LRUCache<string, string>({
    maxSize: 24 * 1024 * 1024,
    sizeCalculation: () => 240,
  })
  const orders = new CommitOrders(walkCommits)
  // a commit's history never changes
  const counts = new LRUCache<string, number>({
    maxSize: 4 * 1024 * 1024,
    sizeCalculation: () => 200,
  })
  const dir = (id: RepoId) => layout.directory(id)
  const reads = (id: RepoId) => new GitReads(dir(id), pool)
  const admission = new Admission({
    slots: slotsOf(options.packProcesses, options.workers),
    maxWaitMs: options.packWaitMs,
  })
  const readers = new Readers()
  const fetches = new FetchCache({
    ...options.fetchCache,
    gitVersion,
    admission,
    readers,
    directoryOf: dir,
    sizeOf: async (id) => sizes.bytes(dir(id)),
  })
  await fetches.sweep()
  const cleanups = new Set<Promise<unknown>>()
  const forget = (id: RepoId) => {
    pool.forget(dir(id))
    refs.forget(dir(id))
    sizes.forget(dir(id))
  }

  return {
    create: (id, it) => layout.create(id, it),
    remove: async (id) => {
      forget(id)
      await layout.remove(id)
      await fetches.drop(id)
    },
    exists: (id) => layout.exists(id),
    listDirectories: () => layout.list(),
    directory: dir,

    snapshot: (id) => refs.readSoon(dir(id)),
    isPlain: async (id) =>
      !existsSync(join(dir(id), 'shallow')) &&
      !existsSync(join(dir(id), 'objects/info/alternates')),
    peel: async (id, snapshot) => peelRefs(pool, peeled, dir(id), snapshot),
    updateRefs: (id, updates) => moveRefs(dir(id), updates),
    replaceRefs: async (id, from, only) => {
      const unmark = await markWriter(dir(id))
      try {
        const tidy = await replaceRefs(dir(id), from, only, () => refs.read(dir(id)))
        const tidying = tidy().catch(() => undefined)
        cleanups.add(tidying)
        void tidying.then(() => cleanups.delete(tidying))
      } finally {
        await unmark()
      }
    },
    setHead: async (id, branch) => {
      await runGit('symbolic-ref', ['HEAD', `refs/heads/${branch}`], { cwd: dir(id) })
    },
    runService: (id, run) => {
      if (run.service === 'upload-pack')
        return admission.run(id, run, () => readers.during(id, () => runService(dir(id), run)))
      if (run.advertise) return runService(dir(id), run)
      return receivePack(dir(id), run, {
        reader: () => pool.get(dir(id)),
        snapshot: () => refs.read(dir(id)),
        moveRef: (update) => moveRefs(dir(id), [update]),
        admit: (push, task) => admission.runPush(id, run, push, task),
      })
    },
    openFetch: (repo, request, client, signal) =>
      fetches.open(repo, () => refs.read(dir(repo.id)), request, client, signal),

    writeBundle: async (id, signal, take) => {
      const giveBack = await admission.take('big', 'the hub', id, signal)
      return writeBundle(dir(id), signal, take).finally(giveBack)
    },
    reachesAll: (id, oids) => reachesAll(dir(id), oids),

    resolveCommit: (id, revision) => reads(id).resolveCommit(revision),
    readCommit: (id, oid) => reads(id).readCommit(oid),
    log: async (id, from, it) => {
      const plain = it.path === undefined && it.not === undefined && it.skip >= DEEP_PAGE
      const oids = plain ? await orders.page(dir(id), from, it) : undefined
      if (!oids) return reads(id).log(from, it)
      return Promise.all(oids.map((oid) => reads(id).readCommit(oid)))
    },
    countCommits: async (id, from, not) => {
      const key = `${from} ${not ?? ''}`
      const count = counts.get(key) ?? (await reads(id).countCommits(from, not))
      counts.set(key, count)
      return count
    },
    findEntry: (id, commit, path) => reads(id).findEntry(commit, path),
    listTree: (id, commit, path, it) => reads(id).listTree(commit, path, it),
    statPath: (id, commit, path) => reads(id).statPath(commit, path),
    walk: (id, commit, path, it) => reads(id).walk(commit, path, it),
    lastCommits: (id, from, paths, budgetMs) => reads(id).lastCommits(from, paths, budgetMs),
    blobSize: (id, oid) => reads(id).blobSize(oid),
    readBlob: (id, oid, maxBytes) => reads(id).readBlob(oid, maxBytes),
    openBlob: (id, oid, signal) => reads(id).openBlob(oid, signal),
    diffFiles: (id, from, to) => reads(id).diffFiles(from, to),
    inspectBlobs: (id, oids) => reads(id).inspectBlobs(oids),
    newPointers: async function* (id, tips, it) {
      const small =
        it.not === 'nothing'
          ? undefined
          : await smallPushPointers(pool.get(dir(id)), refs.read(dir(id)), tips, it.quarantine)
      yield* small ?? reads(id).newPointers(tips, it)
    },
    newBlobs: (id, tips, it) => newBlobs(dir(id), tips, it),
    isAncestor: async (id, a, b, quarantine) =>
      (await smallPushExtends(pool.get(dir(id)), a, b, quarantine)) ??
      reads(id).isAncestor(a, b, quarantine),

    readTree: (id, treeish) => reads(id).readTree(treeish),
    markWriter: (id) => markWriter(dir(id)),
    writeCommit: async (id, order, signal) => {
      const { parent } = order
      const steps = smallSteps(order.steps)
      if (!parent || !steps) return writeCommit(dir(id), order, signal)
      const small = { ...order, parent, steps }
      const made = await writeSmallCommit(dir(id), small, (it) => reads(id).readTree(it))
      return made ?? writeCommit(dir(id), order, signal)
    },
    mergeTree: (id, ours, theirs) => mergeTree(dir(id), ours, theirs),
    findConflicts: (id, ours, theirs) => findConflicts(dir(id), ours, theirs),
    mergeBase: (id, a, b) => mergeBase(dir(id), a, b),
    diffTexts: (id, from, to, maxBytes) => diffTexts(dir(id), from, to, maxBytes),
    diffText: (id, from, to, maxBytes) => diffText(dir(id), from, to, maxBytes),
    commitTree: (id, it) => commitTree(dir(id), it),
    createTag: (id, it) => createTagObject(dir(id), it),

    listPacks: (id) => listPacks(dir(id)),
    openObjectFile: (id, path) => openObjectFile(dir(id), path),

    quarantineBytes: (it) => bytesUnder(it.objectDirectory),
    sizeBytes: async (id) => sizes.bytes(dir(id)),
    pushesInFlight: (id, which) => pushesInFlight(dir(id), which),
    fetchesEnded: (id, patienceMs) => readers.ended(id, patienceMs),
    prune: async (id) => {
      await prune(dir(id))
      forget(id)
      await fetches.drop(id)
    },
    needsMaintenance: (id) => needsMaintenance(dir(id)),
    maintain: async (id) => {
      await maintain(dir(id))
    },
    fsck: (id) => fsck(dir(id)),
    exportObjects: (id, target) => exportObjects(dir(id), target),
    copyInto: async (from, to, it) => {
      await copyRepository(dir(from), dir(to), it)
      forget(to)
    },
    copyTree: async (from, commit, to, signal) => {
      const giveBack = await admission.take('big', 'the hub', from, signal)
      return copyTree(dir(from), commit, dir(to), signal).finally(giveBack)
    },
    objectsReach: (id, objects, tips) => objectsReach(dir(id), objects, tips),
    dropOtherObjects,
    importObjects: async (id, source, it) => {
      await importObjects(dir(id), source, it)
      forget(id)
    },
    runningProcesses,
    sweepLeftovers: (id) => sweepRepository(dir(id)),
    sweepTrash: () => layout.sweepTrash(),
    openMailbox: (it) => Mailbox.open({ ...it, repositoryAt: (path) => layout.repositoryAt(path) }),
    useLauncher,
    fetchCounts: () => ({ ...fetches.counts, waiting: admission.waiting }),
    close: async () => {
      await Promise.all(cleanups)
      await fetches.close()
      pool.close()
    },
  }
}

async function moveRefs(directory: string, updates: readonly RefUpdate[]): Promise<void> {
  const [one, other] = updates
  if (one?.oldOid && one.newOid && !other)
    if (await moveRefFile(directory, one.name, one.oldOid, one.newOid)) return
  await updateRefs(directory, updates)
}

async function peelRefs(
  pool: CatFilePool,
  known: LRUCache<string, string>,
  directory: string,
  snapshot: RefSnapshot,
): Promise<Map<string, string>> {
  const result = new Map<string, string>()
  const unknown: Ref[] = []
  for (const ref of snapshot.refs) {
    if (ref.name.startsWith('refs/heads/')) continue // git lets only commits in there
    const target = ref.peeled ?? known.get(ref.oid)
    if (target === undefined) unknown.push(ref)
    else if (target !== ref.oid) result.set(ref.name, target)
  }
  const reader = unknown.length ? pool.get(directory) : undefined
  await Promise.all(
    unknown.map(async (ref) => {
      const target = (await reader?.info(`${ref.oid}^{}`))?.oid ?? ref.oid
      known.set(ref.oid, target)
      if (target !== ref.oid) result.set(ref.name, target)
    }),
  )
  return result
}

/** Answers git's whole version text. */
async function checkVersion(): Promise<string> {
  const { execFile } = await import('node:child_process')
  const text = await new Promise<string>((resolve, reject) =>
    execFile('git', ['version'], (err, out) =>
      err ? reject(new Error('git is not installed', { cause: err })) : resolve(out),
    ),
  )
  const [, major = '0', minor = '0'] = /(\d+)\.(\d+)/.exec(text) ?? []
  if (
    Number(major) < OLDEST_GIT[0] ||
    (Number(major) === OLDEST_GIT[0] && Number(minor) < OLDEST_GIT[1])
  )
    throw new Error(`git ${OLDEST_GIT.join('.')} or newer is needed, this is ${text.trim()}`)
  return text.trim()
}
