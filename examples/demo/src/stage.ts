/** What has been opened, to be closed in reverse order: the AsyncDisposableStack that Node 20 lacks. */
export class Stage implements AsyncDisposable {
  readonly #endings: (() => unknown)[] = []

  /** Closes `resource` at the end. */
  use<T extends AsyncDisposable>(resource: T): T {
    this.defer(() => resource[Symbol.asyncDispose]())
    return resource
  }

  /** Calls `ending` at the end. */
  defer(ending: () => unknown): void {
    this.#endings.push(ending)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const ending of this.#endings.splice(0).toReversed()) await ending()
  }
}
