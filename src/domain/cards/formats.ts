/** Formats told by file names: what a repository's files say about it (huggingface-wire C3.4, "file-derived"). */
const BY_NAME: readonly (readonly [format: string, name: RegExp])[] = [
  ['safetensors', /\.safetensors$/],
  ['pytorch', /^(pytorch_model.*\.bin|adapter_model\.bin|.*\.(pt|pth|ckpt))$/],
  ['tf', /^(tf_model.*\.h5|saved_model\.pb)$/],
  ['keras', /\.keras$/],
  ['jax', /^flax_model.*\.msgpack$/],
  ['onnx', /\.onnx$/],
  ['gguf', /\.gguf$/],
  ['tensorboard', /tfevents/],
  ['openvino', /^openvino_.*\.xml$/],
  ['coreml', /\.(mlmodel|mlpackage)$/],
  ['tflite', /\.tflite$/],
  ['rust', /^rust_model\.ot$/],
  ['joblib', /\.joblib$/],
  ['parquet', /\.parquet$/],
  ['json', /\.(jsonl|ndjson)(\.gz|\.zst)?$/],
  ['csv', /\.(csv|tsv)(\.gz|\.zst)?$/],
  ['arrow', /\.arrow$/],
  ['webdataset', /\.tar$/],
  ['image', /\.(png|jpe?g|webp|gif|tiff?|bmp)$/],
  ['audio', /\.(wav|mp3|flac|ogg|aac|opus)$/],
  ['video', /\.(mp4|webm|mkv|avi|mov)$/],
]

/** Files at the root whose presence alone says something. */
const MARKERS = new Set([
  'README.md',
  'config.json',
  'tokenizer_config.json',
  'tokenizer.json',
  'model_index.json',
  'adapter_config.json',
  'modules.json',
  'preprocessor_config.json',
  'model.safetensors.index.json',
])

/** The counters that this file adds to. */
export function formatsOf(path: string): string[] {
  const name = path.slice(path.lastIndexOf('/') + 1)
  const formats = BY_NAME.filter(([, pattern]) => pattern.test(name)).map(([format]) => format)
  if (MARKERS.has(path)) formats.push(`=${path}`)
  return formats
}
