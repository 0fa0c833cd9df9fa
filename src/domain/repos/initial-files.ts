import type { RepoKind } from '../types.js'

/*
 * What a new repository starts with (the Hub's own habit, huggingface_hub's tests count on it): one commit
 * "initial commit" with a .gitattributes, and for spaces a README.md.
 */
const MODEL_PATTERNS =
  `*.7z *.arrow *.bin *.bz2 *.ckpt *.ftz *.gz *.h5 *.joblib *.lfs.* *.mlmodel *.model *.msgpack
  *.npy *.npz *.onnx *.ot *.parquet *.pb *.pickle *.pkl *.pt *.pth *.rar *.safetensors saved_model/**/* *.tar.* *.tar
  *.tflite *.tgz *.wasm *.xz *.zip *.zst *tfevents*`.split(/\s+/)

const DATASET_EXTRAS = ['*.avro', '*.lz4', '*.mds']
const DATASET_GROUPS: readonly [comment: string, patterns: readonly string[]][] = [
  ['# Audio files - uncompressed', ['*.pcm', '*.sam', '*.raw']],
  ['# Audio files - compressed', ['*.aac', '*.flac', '*.mp3', '*.ogg', '*.wav']],
  ['# Image files - uncompressed', ['*.bmp', '*.gif', '*.png', '*.tiff']],
  ['# Image files - compressed', ['*.jpg', '*.jpeg', '*.webp']],
  ['# Video files - compressed', ['*.mp4', '*.webm']],
]

const line = (pattern: string) => `${pattern} filter=lfs diff=lfs merge=lfs -text\n`

export function gitAttributesFor(kind: RepoKind): string {
  if (kind !== 'dataset') return MODEL_PATTERNS.map(line).join('')
  const bare = (pattern: string) => pattern.replace(/^[*.]+/, '')
  const patterns = [...MODEL_PATTERNS]
  for (const extra of DATASET_EXTRAS) {
    const at = patterns.findIndex((it) => it.startsWith('*.') && bare(it) > bare(extra))
    patterns.splice(at < 0 ? patterns.length : at, 0, extra)
  }
  const groups = DATASET_GROUPS.map(([comment, them]) => `${comment}\n${them.map(line).join('')}`)
  return patterns.map(line).join('') + groups.join('')
}

export function initialFiles(
  kind: RepoKind,
  repo: { name: string; sdk: string | null },
): { path: string; content: Buffer }[] {
  const files = [{ path: '.gitattributes', content: Buffer.from(gitAttributesFor(kind)) }]
  if (kind !== 'space') return files
  const sdk = repo.sdk ?? 'static'
  const appFile = sdk === 'static' ? 'index.html' : 'app.py'
  const card = `---
title: ${JSON.stringify(repo.name)}
emoji: 🐴
colorFrom: blue
colorTo: green
sdk: ${sdk}
${sdk === 'docker' ? '' : `app_file: ${appFile}\n`}pinned: false
---
`
  files.push({ path: 'README.md', content: Buffer.from(card) })
  if (sdk === 'static') {
    files.push({ path: 'index.html', content: Buffer.from(STATIC_PAGE) })
    files.push({
      path: 'style.css',
      content: Buffer.from('body {\n  font-family: sans-serif;\n  margin: 2rem;\n}\n'),
    })
  }
  return files
}

const STATIC_PAGE = `<!doctype html>
<html>
  <head>
    <meta charset="utf-8" />
    <meta name="viewport" content="width=device-width" />
    <title>My static Space</title>
    <link rel="stylesheet" href="style.css" />
  </head>
  <body>
    <h1>Welcome to your static Space!</h1>
    <p>Edit <code>index.html</code> to make it yours.</p>
  </body>
</html>
`
