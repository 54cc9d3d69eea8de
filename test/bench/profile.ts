interface CpuProfile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: {
      readonly functionName: string
      readonly url: string
      readonly lineNumber: number
    }
  }[]
  readonly samples: readonly number[]
}

/** The functions of a V8 CPU profile by their own share of the samples that were not idle, largest first. */
export function selfTimes(json: string): { readonly name: string; readonly share: number }[] {
  const profile = JSON.parse(json) as CpuProfile
  const names = new Map(
    profile.nodes.map(({ id, callFrame: { functionName, url, lineNumber } }) => {
      const place = url.replace(/^.*\/(node_modules|packages)\//, '')
      return [
        id,
        `${functionName || '(anonymous)'} ${place === '' ? '' : `${place}:${lineNumber + 1}`}`.trim(),
      ]
    }),
  )
  const counts = new Map<string, number>()
  for (const sample of profile.samples) {
    const name = names.get(sample) ?? '(unknown)'
    if (name !== '(idle)') counts.set(name, (counts.get(name) ?? 0) + 1)
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  return [...counts]
    .map(([name, count]) => ({ name, share: count / total }))
    .toSorted((a, b) => b.share - a.share)
}
