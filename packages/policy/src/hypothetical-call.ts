import type { Call, CallChain, Caller, CallReader } from './call.ts'

/** A call that is thought up, to ask what would become of it. No transport has carried it, so no {@link CallReader} reads it. */
export class HypotheticalCall {
  /** `null`: without an identity. */
  readonly caller: Caller | null
  /** On whose behalf it is made; `null`: the caller acts for itself. */
  readonly chain: CallChain | null
  /** Its attributes, those of providers included. What is not named is absent. */
  readonly attributes: Readonly<Record<string, string>>

  constructor(
    caller: Caller | null,
    chain: CallChain | null,
    attributes: Readonly<Record<string, string>>,
  ) {
    this.caller = caller
    this.chain = chain
    this.attributes = attributes
  }
}

/** Who calls, also where the call is thought up. */
export function callerOf(reader: CallReader, call: Call): Caller | null {
  return call instanceof HypotheticalCall ? call.caller : reader.caller(call)
}

/** On whose behalf a call is made, also where it is thought up; `null`: the caller acts for itself. */
export function chainOf(reader: CallReader, call: Call): CallChain | null {
  return call instanceof HypotheticalCall ? call.chain : (reader.chain?.(call) ?? null)
}
