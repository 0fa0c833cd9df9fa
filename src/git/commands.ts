/**
 * The git subcommands this hub runs, each with the `-c` settings it always gets. Nothing else can be spawned,
 * so no caller's text can become a subcommand; options of a caller never reach git at all (see `isSafeRevision`).
 */
export const GIT_COMMANDS = {
  'upload-pack': [],
  'receive-pack': [],
  'unpack-objects': [],
  'cat-file': [],
  'rev-list': [],
  'rev-parse': [],
  'diff-tree': [],
  'ls-tree': [],
  log: ['log.showSignature=false'],
  'merge-base': [],
  'update-ref': [],
  'symbolic-ref': [],
  // larger files go to the pack as they come instead of through memory
  'fast-import': ['fastimport.unpackLimit=0', 'core.bigFileThreshold=8m'],
  'commit-tree': [],
  'hash-object': [],
  mktree: [],
  mktag: [],
  'merge-tree': [],
  diff: ['core.quotePath=false'],
  bundle: [],
  repack: [],
  'pack-objects': [],
  'index-pack': [],
  prune: [],
  'prune-packed': [],
  'pack-refs': [],
  'commit-graph': [],
  'multi-pack-index': [],
  'update-server-info': [],
  'check-attr': [],
  fsck: [],
} as const satisfies Record<string, readonly string[]>

export type GitCommand = keyof typeof GIT_COMMANDS
