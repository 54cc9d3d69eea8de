export { PolicyError } from '../errors.ts'
export { readBytes, readBytesIfPresent, utf8 } from '../document/read-bytes.ts'
export {
  readOption,
  assertKnown,
  asInteger,
  asDuration,
  asBoolean,
  asFunction,
  refuse,
} from '../option-readers.ts'
export { templateOf } from '../uri-template.ts'
export { invalidAnswer, ownProperty, unreachable } from './answer.ts'
export { type EngineInput, engineInputOf } from './engine-input.ts'
export { evaluationFault } from './evaluation-fault.ts'
export type { EnginePolicyEvent } from './events.ts'
export type { EndpointOptions } from './endpoint-options.ts'
export { isLoopback, timeoutFor } from './locality.ts'
export { type LocalEngine, localEngine, sampleRequest } from './local-engine.ts'
export { type OpaInput, inputOf } from './opa-input.ts'
export { type PolicySource, ReloadablePolicies } from './reloadable-policies.ts'
export { checkEngineKeys, type EngineSettings } from './settings.ts'
