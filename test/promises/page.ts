import type { Keeper } from './promised.ts'
import type { Section } from './promises.ts'

/** The promises as `docs/promises.md`. */
export function pageOf(sections: readonly Section[]): string {
  const parts = sections.flatMap(({ title, promises }) => [
    `## ${title}`,
    promises
      .map(
        ({ says, keptBy }) =>
          `- ${says}\n${keptBy.map((each) => `  - ${itemOf(each)}\n`).join('')}`,
      )
      .join('\n')
      .trimEnd(),
  ])
  return `${[
    '<!-- Written by `pnpm generate` from test/promises: change that. -->',
    '# Promises, and the tests that keep them',
    'Each promise names tests, or groups of tests, that fail when it does not hold. [What is not promised](limits.md)',
    ...parts,
  ].join('\n\n')}\n`
}

function itemOf(keeper: Keeper): string {
  if (keeper.kind === 'suite') {
    return `all of [\`${keeper.path}\`](../${keeper.path}), listed in [${keeper.page}](../${keeper.page})`
  }
  const titles = keeper.titles.map((title) => `“${title}”`).join(', ')
  return `[\`${keeper.file}\`](../${keeper.file}): ${titles}`
}
