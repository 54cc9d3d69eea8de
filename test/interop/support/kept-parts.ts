/** Hands a part on, which is then ended with all others. */
export type Keep = <Part extends AsyncDisposable>(part: Part) => Part

/** What `start` gives. All that it keeps is ended at the end, the last one first, or at once if `start` fails. */
export async function startKept<Parts extends object>(
  start: (keep: Keep) => Promise<Parts>,
): Promise<Parts & AsyncDisposable> {
  const started: AsyncDisposable[] = []
  const keep: Keep = (part) => {
    started.unshift(part)
    return part
  }
  try {
    return { ...(await start(keep)), [Symbol.asyncDispose]: () => end(started) }
  } catch (error) {
    await end(started)
    throw error
  }
}

async function end(parts: readonly AsyncDisposable[]): Promise<void> {
  for (const part of parts) await part[Symbol.asyncDispose]()
}
