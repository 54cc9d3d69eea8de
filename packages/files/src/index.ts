export { FileWatcher } from './file-watcher.ts'
export type { FileWatcherParts } from './file-watcher.ts'
export type { FolderListener, WatchFolder } from './folder-watchers.ts'
