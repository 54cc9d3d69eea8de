import { inspect } from 'node:util'

/** Makes `util.inspect`, and so `console.log`, print the instances of a class by name and text. */
export function inspectAsText(type: { readonly name: string; readonly prototype: object }): void {
  Object.defineProperty(type.prototype, inspect.custom, {
    value(this: { toString(): string }): string {
      return `${type.name}(${this.toString()})`
    },
  })
}
