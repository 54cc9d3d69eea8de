/**
 * Shared with sources of the same kind, and not public: it changes in any version.
 * @internal
 * @module
 */
export { FederatedBundles } from './federated-bundles.ts'
export { settledWithin } from './follow/settled-within.ts'
export { PrivateDirectory } from './store/directory.ts'
