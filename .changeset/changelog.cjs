'use strict'

/**
 * How Changesets writes a CHANGELOG.md: each change as it was described, and nothing about
 * dependencies, for all packages have the same version.
 */
module.exports = {
  getReleaseLine: ({ summary }) => `- ${summary.trim().replaceAll('\n', '\n  ')}`,
  getDependencyReleaseLine: () => '',
}
