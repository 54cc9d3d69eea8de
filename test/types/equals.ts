/** Whether two types are the same, and not only assignable to each other. */
export type Equals<A, B> =
  (<T>() => T extends A ? 1 : 2) extends <T>() => T extends B ? 1 : 2 ? true : false

/** Compiles only where the type argument is `true`: `holds<Equals<A, B>>()`. */
export function holds<_Condition extends true>(): void {}
