/** A Jest `testEnvironment` without a context of its own: tests run among the globals of the worker. */
export default class SharedEnvironment {
  global = globalThis
  // Tests inject clocks and fakes; `jest` is not among their globals.
  moduleMocker = { restoreAllMocks() {} }
  #console = globalThis.console
  // oxlint-disable-next-line typescript/unbound-method -- it is put back as it was
  #exit = process.exit
  #stackTraceLimit = Error.stackTraceLimit

  /** A process that has ended reports nothing, and its tests would be waited for. */
  async setup() {
    process.exit = (code) => {
      throw new Error(`a test has called process.exit(${code ?? ''})`)
    }
  }

  /** Takes back what Jest replaces for each file. */
  async teardown() {
    globalThis.console = this.#console
    process.exit = this.#exit
    Error.stackTraceLimit = this.#stackTraceLimit
  }

  getVmContext() {
    return null
  }
}
