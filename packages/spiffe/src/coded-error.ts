/**
 * The base of the errors of all packages. Each package has one class with a closed union of codes,
 * and programs distinguish its errors by `code`: messages are for people, and change.
 */
export abstract class CodedError<Code extends string> extends Error {
  readonly code: Code

  constructor(code: Code, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}
