/**
 * For the tests of this project, and not public: it changes in any version.
 * @internal
 * @module
 */
export type { Bundles } from './material/collect.ts'
export { parseMaterial } from './material/parse-material.ts'
export type { Material } from './material/parse-material.ts'
export { readFiles } from './options/read-files.ts'
export { Contents } from './reading/contents.ts'
export { filesOf } from './reading/file-set.ts'
