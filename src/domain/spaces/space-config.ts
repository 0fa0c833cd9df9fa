import type { Cards } from '../cards/cards.js'
import type { Contents } from '../content/contents.js'
import type { GitOid, Repo } from '../types.js'
import { SPACE_SDKS, type SpaceSdk } from './ports.js'

/** What the files of a Space's default branch say; `problem` is a stage of its own (huggingface-wire B6.1). */
export type SpaceConfig =
  | { readonly sdk: SpaceSdk; readonly appFile: string; readonly commit: GitOid }
  | { readonly problem: 'NO_APP_FILE' | 'CONFIG_ERROR'; readonly message: string }

const USUAL_FILE: Readonly<Record<SpaceSdk, string>> = {
  gradio: 'app.py',
  streamlit: 'app.py',
  docker: 'Dockerfile',
  static: 'index.html',
}

/** The front matter of README.md names the sdk and, unless it is Docker, the file to begin with. */
export async function readSpaceConfig(
  parts: { cards: Cards; contents: Contents },
  repo: Repo,
): Promise<SpaceConfig> {
  const commit = repo.headOid
  if (commit === null) return { problem: 'NO_APP_FILE', message: 'There is no commit yet.' }
  const { cardData } = await parts.cards.at(repo, commit)
  const named = cardData ? cardData.sdk : repo.sdk
  const sdk = SPACE_SDKS.find((it) => it === named)
  if (!sdk) {
    const message = `README.md must begin with front matter whose sdk is one of ${SPACE_SDKS.join(', ')}.`
    return { problem: 'CONFIG_ERROR', message }
  }
  const asked = sdk === 'docker' ? undefined : cardData?.app_file
  if (asked !== undefined && typeof asked !== 'string')
    return { problem: 'CONFIG_ERROR', message: 'app_file in README.md must be a path.' }
  const appFile = asked ?? USUAL_FILE[sdk]
  const entry = await parts.contents.find(repo, commit, appFile)
  if (entry?.type !== 'file')
    return { problem: 'NO_APP_FILE', message: `There is no file ${appFile.slice(0, 200)}.` }
  return { sdk, appFile, commit }
}
