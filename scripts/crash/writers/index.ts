import type { Session, Writer } from '../session.js'
import { GarbageCollector } from './collector.js'
import { CommitCaller } from './committer.js'
import { Keeper } from './keeper.js'
import { LfsPusher } from './lfs-pusher.js'
import { Proposer } from './proposer.js'
import { Pusher } from './pusher.js'
import { SettingsChanger } from './settings.js'
import { SpaceKeeper } from './space-keeper.js'
import { Squasher } from './squasher.js'
import { WebhookListener } from './webhook-listener.js'
import { XetUploader } from './xet-uploader.js'

/** Every writer that the build under test can serve; what is left out is said aloud. */
export async function makeWriters(it: Session): Promise<Writer[]> {
  const writers: Writer[] = [
    new Pusher(1),
    new Pusher(2),
    new LfsPusher(1),
    new LfsPusher(2),
    new Keeper(1),
    new Keeper(2),
    new Squasher(1),
    new XetUploader(1),
    new XetUploader(2),
    new GarbageCollector(),
  ]
  if (await CommitCaller.isServed(it))
    writers.push(new CommitCaller(1), new Proposer(1), new Proposer(2))
  else console.log('left out: commits through the API (the route answers 404)')
  if (await SettingsChanger.isServed(it)) writers.push(new SettingsChanger())
  else console.log('left out: settings through the API (the route answers 404)')
  if (await WebhookListener.isServed(it)) writers.push(new WebhookListener())
  else console.log('left out: webhooks (the route answers 404)')
  if (await SpaceKeeper.isServed(it)) writers.push(new SpaceKeeper())
  else console.log('left out: settings of Spaces (the route answers 404)')
  return writers
}
